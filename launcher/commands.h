// The commands of `thaw`. Each adds its options to the program and, when it is the one chosen, runs from CLI11's callback;
// `exit_code` is what the program ends with where nothing was thrown.
#pragma once

namespace CLI {
class App;
}

namespace thaw {

void add_shard(CLI::App& app, int& exit_code);
void add_plan(CLI::App& app, int& exit_code);
void add_train(CLI::App& app, int& exit_code);
void add_launch(CLI::App& app, int& exit_code);
void add_eval(CLI::App& app, int& exit_code);
void add_predict(CLI::App& app, int& exit_code);
void add_transcribe(CLI::App& app, int& exit_code);
void add_pronounce(CLI::App& app, int& exit_code);
void add_export(CLI::App& app, int& exit_code);
void add_lr_find(CLI::App& app, int& exit_code);
void add_recipes(CLI::App& app, int& exit_code);
void add_view(CLI::App& app, int& exit_code);
void add_submit(CLI::App& app, int& exit_code);
void add_compare(CLI::App& app, int& exit_code);
void add_doctor(CLI::App& app, int& exit_code);

}  // namespace thaw
