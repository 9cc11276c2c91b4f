// Byte-level text, as GPT-2 brought it in (Radford et al., "Language Models are Unsupervised Multitask Learners", 2019): a vocabulary of
// byte strings, each byte written as one visible character ("Ġthe" is " the"), and the pattern that cuts a text into words before bytes
// are merged.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace thaw::byte_level {

// The character that stands for a byte: the byte's own in Latin-1 where that is visible, else U+0100 and what follows.
char32_t character_of(unsigned char byte);

// The bytes that an entry stands for; nothing where a character of it stands for none.
std::optional<std::string> bytes_of(std::string_view entry);

// Cuts valid UTF-8 into the words of GPT-2's pattern, appended to `words`; together they are the text:
//   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
void split_words(std::string_view text, std::vector<std::string_view>& words);

}  // namespace thaw::byte_level
