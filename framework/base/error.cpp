#include "framework/base/error.h"

#include <cerrno>
#include <filesystem>
#include <new>
#include <string_view>

namespace thaw {

Error as_error(const std::exception& exception) {
  if (const auto* ours = dynamic_cast<const Error*>(&exception)) return *ours;
  const std::string_view what = exception.what();
  if (const auto* file = dynamic_cast<const std::filesystem::filesystem_error*>(&exception)) {
    const int number = file->code().value();
    const ExitCode code = number == ENOENT                                          ? ExitCode::input_missing
                          : number == ENOSPC || number == EDQUOT || number == EROFS ? ExitCode::cannot_write
                                                                                    : ExitCode::io_error;
    return FileError(code, "{}{}{}: {}", file->path1().string(), file->path2().empty() ? "" : " and ", file->path2().string(),
                     file->code().message());
  }
  // LibTorch's allocator throws an error of its own.
  if (dynamic_cast<const std::bad_alloc*>(&exception) != nullptr || what.find("allocate memory") != std::string_view::npos ||
      what.find("out of memory") != std::string_view::npos)
    return Error(ExitCode::bad_data,
                 fmt::format("this job needs more memory than there is: make batch.grain or data.max_length smaller, or start fewer "
                             "ranks a node ({})",
                             what.substr(0, what.find('\n'))));
  return Error(ExitCode::bug, fmt::format("this is a bug, please report it: {}", what));
}

}  // namespace thaw
