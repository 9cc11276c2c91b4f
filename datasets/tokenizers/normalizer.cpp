#include "datasets/tokenizers/normalizer.h"

#include "datasets/tokenizers/unicode.h"
#include "datasets/tokenizers/utf8.h"
#include "framework/base/error.h"

namespace thaw {
namespace {

class FormStep : public NormalizerStep {
 public:
  explicit FormStep(unicode::Form form) : form_(form) {}
  std::string apply(std::string_view text) const override { return unicode::normalize(text, form_); }

 private:
  unicode::Form form_;
};

class LowercaseStep : public NormalizerStep {
 public:
  std::string apply(std::string_view text) const override {
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size();) unicode::append_lower(out, next_code_point(text, i));
    return out;
  }
};

class StripAccentsStep : public NormalizerStep {
 public:
  std::string apply(std::string_view text) const override {
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size();) {
      const std::size_t start = i;
      if (!(unicode::flags(next_code_point(text, i)) & unicode::combining_mark)) out.append(text.substr(start, i - start));
    }
    return out;
  }
};

}  // namespace

void fail_unsupported(const JsonView& type, std::string_view supported) {
  throw ModelError("{}: found \"{}\"; supported are {}", type.where(), type.text(), supported);
}

Normalizer::Normalizer(const JsonView& settings) {
  if (!settings.raw().is_null()) add(settings);
}

void Normalizer::add(const JsonView& settings) {
  const JsonView type_view = settings["type"];
  const std::string type = type_view.text();
  if (type == "BertNormalizer") {
    const bool lowercase = settings["lowercase"].boolean();
    steps_.push_back(make_bert_normalizer({.clean_text = settings["clean_text"].boolean(),
                                           .handle_chinese_chars = settings["handle_chinese_chars"].boolean(),
                                           .strip_accents = settings.boolean_or("strip_accents", lowercase),
                                           .lowercase = lowercase}));
  } else if (type == "Sequence") {
    const JsonView parts = settings["normalizers"];
    if (!parts.raw().is_array()) parts.fail("a list of normalizers");
    for (std::size_t i = 0; i < parts.size(); ++i) add(parts[i]);
  } else if (type == "Lowercase") {
    steps_.push_back(std::make_unique<LowercaseStep>());
  } else if (type == "StripAccents") {
    steps_.push_back(std::make_unique<StripAccentsStep>());
  } else if (type == "NFC") {
    steps_.push_back(std::make_unique<FormStep>(unicode::Form::nfc));
  } else if (type == "NFD") {
    steps_.push_back(std::make_unique<FormStep>(unicode::Form::nfd));
  } else if (type == "NFKC") {
    steps_.push_back(std::make_unique<FormStep>(unicode::Form::nfkc));
  } else if (type == "NFKD") {
    steps_.push_back(std::make_unique<FormStep>(unicode::Form::nfkd));
  } else {
    fail_unsupported(type_view, "BertNormalizer, Lowercase, StripAccents, NFC, NFD, NFKC, NFKD and Sequence");
  }
}

std::string Normalizer::apply(std::string_view text) const {
  if (steps_.empty()) return std::string(text);
  std::string out = steps_.front()->apply(text);
  for (std::size_t i = 1; i < steps_.size(); ++i) out = steps_[i]->apply(out);
  return out;
}

}  // namespace thaw
