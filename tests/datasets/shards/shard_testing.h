// What the tests of shards share: a folder of their own, an encoder whose ids Python can work out too, and ranks as threads.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <barrier>
#include <chrono>
#include <exception>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "datasets/shards/shard.h"
#include "datasets/shards/shard_set.h"
#include "framework/base/error.h"
#include "framework/base/hash.h"

namespace thaw {

class Folder {
 public:
  Folder() : path_(fs::temp_directory_path() / fmt::format("thaw-shards-{}-{}", ::getpid(), next()++)) { fs::create_directories(path_); }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  fs::path operator/(const std::string& name) const { return path_ / name; }
  fs::path file(const std::string& name, const std::string& content) const {
    write_file_atomically(path_ / name, content);
    return path_ / name;
  }

 private:
  static int& next() {
    static int count = 0;
    return count;
  }
  fs::path path_;
};

// 1, the bytes + 3, 2; of a pair then the second text's bytes + 3, 2. `shift` moves ids beyond 16 bits.
class ByteEncoder final : public RowEncoder {
 public:
  explicit ByteEncoder(std::size_t max_length = 64, std::uint32_t shift = 0)
      : max_length_(max_length), shift_(shift), fingerprint_(fmt::format("bytes+{}", shift)) {}
  Encoding encode(std::string_view text, std::optional<std::string_view> pair) const override {
    ++calls;
    Encoding encoding;
    const auto add = [&](std::string_view bytes) {
      for (const char c : bytes) encoding.ids.push_back(static_cast<unsigned char>(c) + 3 + shift_);
      encoding.ids.push_back(2);
    };
    encoding.ids.push_back(1);
    add(text);
    encoding.second_start = static_cast<std::uint32_t>(encoding.ids.size());
    if (pair) add(*pair);
    encoding.truncated = encoding.ids.size() > max_length_;
    if (encoding.truncated) encoding.ids.resize(max_length_);
    encoding.second_start = std::min(encoding.second_start, static_cast<std::uint32_t>(encoding.ids.size()));
    return encoding;
  }
  const std::string& fingerprint() const override { return fingerprint_; }
  std::size_t vocabulary_size() const override { return 259 + shift_; }

  mutable std::atomic<int> calls{0};

 private:
  std::size_t max_length_;
  std::uint32_t shift_;
  std::string fingerprint_;
};

// Calls `hook(n)` before it encodes the n-th text (from 0): to interrupt a job, or to hold it up.
class HookedEncoder final : public RowEncoder {
 public:
  explicit HookedEncoder(std::function<void(int)> hook) : hook_(std::move(hook)) {}
  Encoding encode(std::string_view text, std::optional<std::string_view> pair) const override {
    hook_(bytes_.calls);
    return bytes_.encode(text, pair);
  }
  const std::string& fingerprint() const override { return bytes_.fingerprint(); }
  std::size_t vocabulary_size() const override { return bytes_.vocabulary_size(); }

 private:
  std::function<void(int)> hook_;
  ByteEncoder bytes_;
};

inline std::function<void(int)> fails_at(int row) {
  return [row](int n) {
    if (n == row) throw DataError("interrupted");
  };
}

// Makes an interrupted job look as if it had been killed: its lease is not released, its process is gone.
inline void as_if_killed(const fs::path& out) {
  for (const auto& entry : fs::directory_iterator(out / ".building/lease")) {
    Json lease = Json::parse(read_file(entry.path()));
    lease["released"] = false, lease["pid_start"] = "1";
    write_file_atomically(entry.path(), lease.dump());
  }
}

inline void age(const fs::path& path, std::chrono::seconds by) { fs::last_write_time(path, fs::file_time_type::clock::now() - by); }

// Runs `work` on `size` ranks at once; throws the first rank's error.
inline void on_ranks(int size, const std::function<void(const ShardRanks&)>& work) {
  std::barrier meet(size);
  std::vector<std::string> board(static_cast<std::size_t>(size));
  std::vector<std::exception_ptr> errors(board.size());
  std::vector<std::thread> threads;
  for (int rank = 0; rank < size; ++rank)
    threads.emplace_back([&, rank] {
      const auto gather = [&, rank](const std::string& mine) {
        board[static_cast<std::size_t>(rank)] = mine;
        meet.arrive_and_wait();
        const std::vector<std::string> all = board;
        meet.arrive_and_wait();
        return all;
      };
      try {
        work({rank, size, gather});
      } catch (...) {
        errors[static_cast<std::size_t>(rank)] = std::current_exception();
      }
    });
  for (std::thread& thread : threads) thread.join();
  for (const std::exception_ptr& error : errors)
    if (error) std::rethrow_exception(error);
}

// The message of the error that `work` throws; "" where it throws none.
inline std::string error_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

#define EXPECT_SAYS(text, part) EXPECT_NE((text).find(part), std::string::npos) << "found: " << (text)

// Every file below a directory, by its relative name.
inline std::map<std::string, std::string> contents(const fs::path& directory) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(directory))
    if (entry.is_regular_file()) files[fs::relative(entry.path(), directory).string()] = read_file(entry.path());
  return files;
}

inline std::string many_rows(int rows) {
  std::string text = "text\tlabel\n";
  for (int i = 0; i < rows; ++i)
    text += fmt::format("row number {} {}\t{}\n", i, std::string(static_cast<std::size_t>(i % 40), 'x'), i % 3);
  return text;
}

}  // namespace thaw
