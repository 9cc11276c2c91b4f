// Small random CTC models with recordings, and what transformers makes of them (ctc_reference.py).
#pragma once

#include "framework/base/file.h"
#include "framework/base/json.h"
#include "framework/base/text.h"
#include "tests/launcher/program.h"
#include "tests/support/reference.h"

namespace thaw::test {

// FOLDER/{wav2vec2,hubert,wavlm}, FOLDER/{short,other,long,silent,tiny,brief}.wav, FOLDER/{heard,judged}.json
inline const fs::path& ctc_folder() {
  static const fs::path made = reference_folder("launcher/ctc_reference.py");
  return made;
}

inline std::string ctc_file(const std::string& name) { return (ctc_folder() / name).string(); }

// `kind`: heard or losses; the arguments follow the model's and the recording's paths.
inline Json ctc_judge(const Workshop& shop, const std::string& kind, const std::string& model, const std::string& recording,
                      const std::string& arguments = "") {
  const std::string out = shop.path("judge.json");
  const Ran ran = shell(fmt::format("'{}' " THAW_SOURCE_DIR "/tests/launcher/ctc_reference.py {} '{}' '{}' '{}' {}", python().value(), kind,
                                    out, ctc_file(model), ctc_file(recording), arguments));
  if (ran.exit_code != 0) throw std::runtime_error("the reference failed: " + ran.output);
  return Json::parse(shop.file("judge.json"));
}

}  // namespace thaw::test
