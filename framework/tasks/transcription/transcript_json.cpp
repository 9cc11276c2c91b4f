#include "framework/tasks/transcription/transcript_json.h"

namespace thaw {
namespace {

OrderedJson words_json(const std::vector<TimedWord>& words) {
  OrderedJson all = OrderedJson::array();
  for (const TimedWord& word : words) {
    all.push_back({{"word", word.word}, {"start", word.start}, {"end", word.end}, {"probability", word.probability}});
  }
  return all;
}

}  // namespace

OrderedJson transcript_json(const Transcript& transcript) {
  OrderedJson segments = OrderedJson::array();
  for (const Segment& segment : transcript.segments) {
    OrderedJson one = {{"id", segment.id},
                       {"seek", segment.seek},
                       {"start", segment.start},
                       {"end", segment.end},
                       {"text", segment.text},
                       {"tokens", segment.tokens},
                       {"temperature", segment.temperature},
                       {"avg_logprob", segment.avg_logprob},
                       {"compression_ratio", segment.compression_ratio}};
    if (segment.no_speech_prob) one["no_speech_prob"] = *segment.no_speech_prob;
    if (transcript.word_times) one["words"] = words_json(segment.words);
    segments.push_back(std::move(one));
  }
  OrderedJson all = {{"text", transcript.text}, {"segments", segments}};
  if (!transcript.language.empty()) all["language"] = transcript.language;
  return all;
}

std::string to_json(const Transcript& transcript, const std::string& file) {
  OrderedJson json = transcript_json(transcript);
  if (!file.empty()) json["file"] = file;
  return json.dump(-1, ' ', false, OrderedJson::error_handler_t::replace) + "\n";
}

}  // namespace thaw
