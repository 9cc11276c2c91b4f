// The picture of a plan: layers against steps, coloured by learning rate.
#pragma once

#include <string>
#include <vector>

namespace thaw {

struct PlotPhase {
  std::string name;  // "head, top 2"
  double steps = 0;  // at the most
  bool open_ended = false;
  std::vector<double> lr;       // by layer, lowest first, where the schedule's factor is 1; 0: asleep
  std::vector<double> factors;  // the schedule, sampled evenly over the phase
};

// An SVG of 900 by about 500 points that stands for itself: axes, ticks, a colour bar, and the phases' names.
std::string plan_svg(const std::string& title, const std::vector<std::string>& layers, const std::vector<PlotPhase>& phases);

}  // namespace thaw
