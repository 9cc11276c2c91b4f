// Metrics of classification and regression, as scikit-learn and scipy define them (zero_division=0).
#pragma once

#include <cstdint>
#include <vector>

namespace thaw {

// A confusion matrix: counts[target][prediction].
class ClassCounts {
 public:
  explicit ClassCounts(std::size_t classes) : classes_(classes), counts_(classes * classes, 0) {}
  void add(std::size_t target, std::size_t prediction) { ++counts_[target * classes_ + prediction]; }

  double accuracy() const;
  double accuracy(std::size_t of_class) const;  // its recall: of its rows those that are right; 0 where it has none
  double f1(std::size_t of_class) const;
  double f1_macro() const;  // over the classes that occur, as a target or a prediction
  double f1_micro() const;  // equals accuracy for one label a row
  double matthews() const;

 private:
  std::int64_t at(std::size_t target, std::size_t prediction) const { return counts_[target * classes_ + prediction]; }
  std::int64_t targets(std::size_t of_class) const;
  std::int64_t predictions(std::size_t of_class) const;
  std::int64_t total() const;

  std::size_t classes_;
  std::vector<std::int64_t> counts_;
};

// Several labels a row: for each label, hits and misses.
class LabelCounts {
 public:
  explicit LabelCounts(std::size_t labels) : hit_(labels, 0), wrong_(labels, 0), missed_(labels, 0) {}
  void add(const std::vector<bool>& target, const std::vector<bool>& prediction);

  double accuracy() const {
    return rows_ == 0 ? 0 : static_cast<double>(exact_) / static_cast<double>(rows_);
  }  // all labels of a row right
  double f1(std::size_t label) const;
  double f1_macro() const;
  double f1_micro() const;

 private:
  std::vector<std::int64_t> hit_, wrong_, missed_;
  std::int64_t rows_ = 0, exact_ = 0;
};

double mean_squared_error(const std::vector<double>& targets, const std::vector<double>& predictions);
double mean_absolute_error(const std::vector<double>& targets, const std::vector<double>& predictions);
double pearson(const std::vector<double>& a, const std::vector<double>& b);   // 0 where one is constant
double spearman(const std::vector<double>& a, const std::vector<double>& b);  // ties share their mean rank

}  // namespace thaw
