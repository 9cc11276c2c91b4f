// `thaw predict`, of lines of text and of recordings. Both print an answer for each row to standard output, in the input's order.
#pragma once

#include <string>
#include <vector>

#include "launcher/answer_lines.h"
#include "launcher/trained_model.h"

namespace thaw {

// What of a recording is answered "silence" and not shown to the model. `level`: a peak below audio::AudioLimits::silence_dbfs;
// `voice`: also where audio::VoiceActivity hears no voice.
enum class Silence { voice, level, never };

struct PredictOptions {
  std::string model;
  std::vector<std::string> inputs;
  bool json = false;
  double unknown_below = 0;
  Silence silence = Silence::voice;
};

// Both give the program's exit code. DataError where a line has no text; recordings that cannot be heard are named on standard
// error, and the others go on (65).
int predict_lines(TrainedModel& trained, const AnswerLines& answers, const PredictOptions& options);
int predict_recordings(const TrainedModel& trained, const AnswerLines& answers, const PredictOptions& options);

}  // namespace thaw
