// The text report of a transcription's errors, for people: rates in all and by column first, then every utterance that has
// an error, with its reference and hypothesis one above the other.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "framework/tasks/wer.h"

namespace thaw {

struct ReportOptions {
  enum Order { worst_first, as_given } order = worst_first;  // worst: the most errors; of equals the highest rate
  bool characters = false;                                   // aligns characters: for languages that set no blanks
  bool right_ones = false;                                   // lists utterances without an error too
  std::size_t columns = 120;                                 // of the widest line, where single words leave the choice
};

std::string error_report(const std::vector<TranscriptPair>& transcripts, const ReportOptions& options = {});

// Writes it as RUN_DIRECTORY/eval/NAME.wer.txt and returns that path. FileError where it cannot be written.
std::filesystem::path write_error_report(const std::filesystem::path& run_directory, const std::string& name,
                                         const std::vector<TranscriptPair>& transcripts, const ReportOptions& options = {});

}  // namespace thaw
