// The pickle inside a file of torch.save: the input is data.pkl, beside one storage of 64 bytes.
#include "framework/tensor/torch_file.h"

#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/tensors.h"

using namespace thaw;

namespace {

// Little-endian; beyond eight bytes zeros.
std::string number(std::uint64_t value, std::size_t bytes) {
  std::string made(reinterpret_cast<const char*>(&value), sizeof value);
  made.resize(bytes);
  return made;
}

// A zip archive of members that are stored as they are.
std::string archive(std::initializer_list<std::pair<std::string, std::string>> members) {
  std::string file, directory;
  for (const auto& [name, content] : members) {
    const std::string sizes = number(0, 4) + number(content.size(), 4) + number(content.size(), 4) + number(name.size(), 2);
    directory += "PK\1\2" + number(0, 12) + sizes + number(0, 12) + number(file.size(), 4) + name;
    file += "PK\3\4" + number(0, 10) + sizes + number(0, 2) + name + content;
  }
  return file + directory + "PK\5\6" + number(0, 4) + number(members.size(), 2) + number(members.size(), 2) + number(directory.size(), 4) +
         number(file.size(), 4) + number(0, 2);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string pickle(fuzz::text_of(data, size));
  const std::filesystem::path path =
      fuzz::folder().put("weights.pt", archive({{"x/data.pkl", pickle}, {"x/data/0", std::string(64, '\1')}}));
  fuzz::accepts([&] {
    const TensorFile file = read_torch_file(path);
    fuzz::read_tensors(file);
    file.values().dump();
  });
  return 0;
}
