#include "datasets/speech/text_rules.h"

#include <unicode/locid.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include <algorithm>

#include "datasets/tokenizers/utf8.h"
#include "framework/base/error.h"

namespace thaw {
namespace {

std::string whole(std::string_view text, const std::function<void(icu::UnicodeString&)>& change) {
  icu::UnicodeString wide = icu::UnicodeString::fromUTF8({text.data(), static_cast<std::int32_t>(text.size())});
  change(wide);
  std::string out;
  wide.toUTF8String(out);
  return out;
}

std::string normalized(std::string_view text, const icu::Normalizer2* (*form)(UErrorCode&)) {
  return whole(text, [&](icu::UnicodeString& wide) {
    UErrorCode status = U_ZERO_ERROR;
    const icu::Normalizer2* normalizer = form(status);
    if (U_SUCCESS(status)) wide = normalizer->normalize(wide, status);
    if (U_FAILURE(status)) throw DataError("ICU cannot normalise text: {}", u_errorName(status));
  });
}

std::string without(std::string_view text, const std::function<bool(char32_t)>& goes) {
  std::string out;
  for (std::size_t at = 0; at < text.size();)
    if (const char32_t c = next_code_point(text, at); !goes(c)) append_utf8(out, c);
  return out;
}

std::u32string characters(std::string_view text) {
  std::u32string all;
  for (std::size_t at = 0; at < text.size();) all += next_code_point(text, at);
  return all;
}

std::string with_single_spaces(std::string_view text) {
  std::string out;
  bool blank = false;
  for (std::size_t at = 0; at < text.size();) {
    const char32_t c = next_code_point(text, at);
    if (u_isUWhiteSpace(static_cast<UChar32>(c))) {
      blank = !out.empty();
      continue;
    }
    if (blank) out += ' ';
    blank = false;
    append_utf8(out, c);
  }
  return out;
}

std::string yo_to_ye(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const char32_t c = next_code_point(text, at);
    append_utf8(out, c == U'ё' ? U'е' : c == U'Ё' ? U'Е' : c);
  }
  return out;
}

}  // namespace

TextRules::Rule TextRules::rule(const std::string& text) {
  const std::size_t colon = text.find(':');
  const std::string name = text.substr(0, colon), given = colon == std::string::npos ? "" : text.substr(colon + 1);
  if (!is_utf8(given)) throw DataError("text rule '{}': expected UTF-8 after ':'", name);
  const std::u32string set = characters(given);
  const auto in_set = [set](char32_t c) { return set.find(c) != std::u32string::npos; };
  if (name == "strip_punctuation")
    return
        [in_set](std::string_view in) { return without(in, [&](char32_t c) { return u_ispunct(static_cast<UChar32>(c)) && !in_set(c); }); };
  if (name == "remove" && !set.empty()) return [in_set](std::string_view in) { return without(in, in_set); };
  if (colon == std::string::npos) {
    if (name == "lower") return [](std::string_view in) { return whole(in, [](auto& wide) { wide.toLower(icu::Locale::getRoot()); }); };
    if (name == "upper") return [](std::string_view in) { return whole(in, [](auto& wide) { wide.toUpper(icu::Locale::getRoot()); }); };
    if (name == "yo_to_ye") return yo_to_ye;
    if (name == "collapse_spaces") return with_single_spaces;
    if (name == "nfc") return [](std::string_view in) { return normalized(in, icu::Normalizer2::getNFCInstance); };
    if (name == "nfkc") return [](std::string_view in) { return normalized(in, icu::Normalizer2::getNFKCInstance); };
  }
  throw DataError(
      "text rule '{}': expected lower, upper, strip_punctuation[:KEEP], remove:CHARACTERS, yo_to_ye, collapse_spaces, nfc or nfkc", text);
}

TextRules::TextRules(const std::vector<std::string>& rules) : names_(rules) {
  for (const std::string& text : rules) rules_.push_back(rule(text));
}

std::string TextRules::apply(std::string_view text) const {
  std::string out(text);
  for (const Rule& rule : rules_) out = rule(out);
  return out;
}

}  // namespace thaw
