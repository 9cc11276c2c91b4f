// What the tokenizer makes of texts, for compare.py: tokenizer_dump MODE DIRECTORY INPUT OUTPUT [MAX_LENGTH]
// INPUT is records (32-bit length, bytes). MODE is one of
//   encode     for each record, count, second_start, truncated and the ids, as 32-bit numbers
//   pairs      the same of two records at a time
//   normalize  records of normalised text
//   words      records of words of the raw text, each followed by byte 0xFF
//   decode     of records of ids, records of text; without special tokens where MAX_LENGTH is 1
//   speed      encodes all five times on one thread and prints the best time of the processor in seconds
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "datasets/tokenizers/normalizer.h"
#include "datasets/tokenizers/pre_tokenizer.h"
#include "datasets/tokenizers/tokenizer.h"
#include "framework/base/error.h"
#include "framework/base/file.h"

namespace {

using namespace thaw;

std::vector<std::string> read_records(const fs::path& path) {
  const std::string all = read_file(path);
  std::vector<std::string> records;
  for (std::size_t at = 0; at + 4 <= all.size();) {
    std::uint32_t length;
    std::memcpy(&length, all.data() + at, 4);
    records.push_back(all.substr(at + 4, length));
    at += 4 + length;
  }
  return records;
}

void append_number(std::string& out, std::size_t number) {
  const auto narrow = static_cast<std::uint32_t>(number);
  out.append(reinterpret_cast<const char*>(&narrow), 4);
}

void append_encoding(std::string& out, const Encoding& encoding) {
  append_number(out, encoding.ids.size());
  append_number(out, encoding.second_start);
  append_number(out, encoding.truncated);
  out.append(reinterpret_cast<const char*>(encoding.ids.data()), encoding.ids.size() * 4);
}

void append_record(std::string& out, const std::string& text) {
  append_number(out, text.size());
  out += text;
}

double cpu_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

void print_speed(const Tokenizer& tokenizer, const std::vector<std::string>& records) {
  double best = 1e9;
  std::size_t ids = 0;
  for (int round = 0; round < 5; ++round) {
    const double start = cpu_seconds();
    for (const auto& record : records) ids += tokenizer.encode(record, std::nullopt, 0).ids.size();
    best = std::min(best, cpu_seconds() - start);
  }
  std::printf("%.6f %zu\n", best, ids / 5);
}

int run(const std::string& mode, const fs::path& directory, const fs::path& input, const fs::path& output, std::size_t max_length) {
  const auto records = read_records(input);
  std::string out;
  if (mode == "normalize" || mode == "words") {
    const JsonFile file(directory / "tokenizer.json");
    const Normalizer normalizer(file.view()["normalizer"]);
    const PreTokenizer pre_tokenizer(file.view()["pre_tokenizer"]);
    std::vector<std::string_view> words;
    for (const auto& record : records) {
      if (mode == "normalize") {
        append_record(out, normalizer.apply(record));
      } else {
        pre_tokenizer.split(record, words);
        std::string joined;
        for (const auto word : words) joined.append(word).push_back('\xFF');
        append_record(out, joined);
      }
    }
  } else {
    const auto tokenizer = load_tokenizer(directory);
    if (mode == "speed") return print_speed(*tokenizer, records), 0;
    if (mode == "decode") {
      for (const auto& record : records) {
        std::vector<std::uint32_t> ids(record.size() / 4);
        if (!ids.empty()) std::memcpy(ids.data(), record.data(), ids.size() * 4);
        append_record(out, tokenizer->decode(ids, max_length == 1));
      }
      write_file_atomically(output, out);
      return 0;
    }
    const std::size_t step = mode == "pairs" ? 2 : 1;
    for (std::size_t i = 0; i + step <= records.size(); i += step) {
      const auto pair = step == 2 ? std::optional<std::string_view>(records[i + 1]) : std::nullopt;
      append_encoding(out, tokenizer->encode(records[i], pair, max_length));
    }
  }
  write_file_atomically(output, out);
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 5) return 64;
  try {
    return run(arguments[1], arguments[2], arguments[3], arguments[4], count > 5 ? std::stoul(arguments[5]) : 0);
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return static_cast<int>(error.code());
  }
}
