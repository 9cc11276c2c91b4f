// Files: whole reads, read-only mappings, and writes that are whole or absent.
// Every error is a FileError that names the path: 66 where it is missing, 73 where it cannot be written, else 74.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace thaw {

namespace fs = std::filesystem;

std::string read_file(const fs::path& path);   // regular files, pipes and whatever else can be opened
std::string first_line(const fs::path& path);  // without its end; empty where the file cannot be read
std::string read_standard_input();             // from where it stands to its end, whatever it is

// Writes under another name, flushes to disk, then renames it to `path` and flushes the directory.
// The other name stands beside `path`, or in `workshop`, a directory of the same file system.
void write_file_atomically(const fs::path& path, std::string_view content, const fs::path& workshop = {});

// Appends bytes to a new file and counts errors as they happen; `commit` makes it durable under its final name.
// Without `commit` the destructor removes what was written.
class AtomicFile {
 public:
  explicit AtomicFile(fs::path path, const fs::path& workshop = {});
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  ~AtomicFile();
  void write(const void* data, std::size_t bytes);
  void write(std::string_view text) { write(text.data(), text.size()); }
  void commit();

 private:
  fs::path path_, temporary_;
  int descriptor_ = -1;
};

// Flushes a finished file (or directory entry) to disk.
void flush_to_disk(const fs::path& path);

// Creates the directory and its parents; 73 with the reason where that fails or where it is not writable.
void make_directory(const fs::path& path);

// A whole file mapped read-only. The size is taken once; a file that shrinks later is the caller's to prevent.
class MappedFile {
 public:
  explicit MappedFile(const fs::path& path);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();
  std::span<const std::byte> bytes() const { return {data_, size_}; }
  std::string_view text() const { return {reinterpret_cast<const char*>(data_), size_}; }

 private:
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

// Pages of a MappedFile that lie within `bytes` leave this process's memory until they are read again. Memory that can be
// written would be lost.
void release_pages(std::span<const std::byte> bytes);

// What was printed to standard output so far. FileError (cannot_write) where nobody takes it: a full disk, a closed pipe.
void flush_output();

}  // namespace thaw
