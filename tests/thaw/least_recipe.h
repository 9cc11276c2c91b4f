#pragma once

#include <string>

namespace thaw::test {

// The keys that every recipe needs.
inline const std::string least_recipe =
    "recipe: 1\ntask: text-classification\nmodel: m\noutput_dir: runs/x\ndata: {train: a.tsv, eval: dev.tsv}\n";

}  // namespace thaw::test
