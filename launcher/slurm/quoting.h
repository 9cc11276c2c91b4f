// Text from outside on its way into a batch script: quoted so that neither bash nor sbatch finds anything in it to act on.
#pragma once

#include <string>
#include <string_view>

namespace thaw {

// One word of bash on one line, with quotes only where they are needed.
std::string shell_quoted(std::string_view text);

// A value in a line `#SBATCH --name=VALUE`. UsageError (64) where it holds a line end or another control character, for which
// sbatch has no way of writing.
std::string sbatch_quoted(std::string_view text);

// A directory in one of sbatch's file names, where % begins a pattern (%j). UsageError where it holds a backslash: to sbatch
// that means "no patterns at all".
std::string sbatch_directory(std::string_view path);

}  // namespace thaw
