#include "framework/tasks/edit_alignment.h"

#include <algorithm>
#include <numeric>
#include <span>
#include <unordered_map>

namespace thaw {
namespace {

using Items = std::span<const std::uint32_t>;

void append(std::vector<Edit>& edits, std::size_t count, Edit edit) { edits.insert(edits.end(), count, edit); }

// distances[i]: of the first i items of the reference from the whole hypothesis; both read backwards where asked.
std::vector<std::uint32_t> distances(Items reference, Items hypothesis, bool backwards) {
  const auto at = [backwards](Items items, std::size_t i) { return items[backwards ? items.size() - 1 - i : i]; };
  std::vector<std::uint32_t> row(reference.size() + 1);
  std::iota(row.begin(), row.end(), 0u);
  for (std::size_t h = 0; h < hypothesis.size(); ++h) {
    std::uint32_t diagonal = row[0]++;
    for (std::size_t r = 0; r < reference.size(); ++r) {
      const std::uint32_t replaced = diagonal + (at(reference, r) != at(hypothesis, h));
      diagonal = row[r + 1];
      row[r + 1] = std::min({replaced, row[r] + 1, row[r + 1] + 1});
    }
  }
  return row;
}

// Which cells of the table of distances can lie on an alignment of at most `most` edits: those near the diagonal.
struct Band {
  std::size_t most, columns;
  std::size_t first(std::size_t row) const { return row > most ? row - most : 1; }
  std::size_t last(std::size_t row) const { return std::min(row + most, columns); }
  std::size_t width() const { return std::min(columns, 2 * most + 1); }
};

// By the table, of which two facts a cell are kept: whether the distance rises or falls along the reference.
void align_by_table(Items reference, Items hypothesis, std::size_t most, std::vector<Edit>& edits) {
  const std::size_t rows = hypothesis.size();
  const Band band{most, reference.size()};
  enum : std::uint8_t { rises = 1, falls = 2 };
  std::vector<std::uint8_t> table(band.width() * rows);
  const auto cell = [&](std::size_t row, std::size_t column) -> std::uint8_t& {
    return table[(row - 1) * band.width() + column - band.first(row)];
  };
  std::vector<std::uint32_t> distance(reference.size() + 1);
  std::iota(distance.begin(), distance.end(), 0u);
  for (std::size_t row = 1; row <= rows; ++row) {
    const std::size_t first = band.first(row);
    std::uint32_t diagonal = distance[first - 1];
    distance[first - 1] = static_cast<std::uint32_t>(first - 1 + row);  // exact in column 0; else outside, and no less than it is
    for (std::size_t column = first; column <= band.last(row); ++column) {
      const std::uint32_t before = distance[column - 1], replaced = diagonal + (reference[column - 1] != hypothesis[row - 1]);
      diagonal = distance[column];
      distance[column] = std::min({replaced, before + 1, distance[column] + 1});
      cell(row, column) = distance[column] > before ? rises : distance[column] < before ? falls : 0;
    }
  }
  // Back from the end: a deletion where there is one, then an insertion, then the diagonal. This order is rapidfuzz's.
  std::size_t column = reference.size(), row = rows;
  const std::size_t begin = edits.size();
  while (column > 0 && row > 0) {
    if (cell(row, column) == rises) {
      --column, edits.push_back(Edit::deletion);
    } else if (--row > 0 && cell(row, column) == falls) {
      edits.push_back(Edit::insertion);
    } else {
      --column, edits.push_back(reference[column] == hypothesis[row] ? Edit::hit : Edit::substitution);
    }
  }
  append(edits, column, Edit::deletion);
  append(edits, row, Edit::insertion);
  std::reverse(edits.begin() + static_cast<std::ptrdiff_t>(begin), edits.end());
}

// Aligns what at most `most` edits can align. Large tables are not made: the hypothesis is halved, and the reference cut at the
// first place where both halves cost least (Hirschberg, 1975). When to do so is rapidfuzz's rule as well, since it decides
// which of several best alignments comes out.
void align(Items reference, Items hypothesis, std::size_t most, std::vector<Edit>& edits) {
  const auto prefix_end = std::mismatch(reference.begin(), reference.end(), hypothesis.begin(), hypothesis.end()).first;
  const auto prefix = static_cast<std::size_t>(prefix_end - reference.begin());
  reference = reference.subspan(prefix), hypothesis = hypothesis.subspan(prefix);
  const auto suffix_end = std::mismatch(reference.rbegin(), reference.rend(), hypothesis.rbegin(), hypothesis.rend()).first;
  const auto suffix = static_cast<std::size_t>(suffix_end - reference.rbegin());
  reference = reference.first(reference.size() - suffix), hypothesis = hypothesis.first(hypothesis.size() - suffix);

  append(edits, prefix, Edit::hit);
  constexpr std::size_t table_bytes = 1 << 20;
  most = std::min(most, std::max(reference.size(), hypothesis.size()));
  const std::size_t width = std::min(reference.size(), 2 * most + 1);
  if (reference.size() < 65 || hypothesis.size() < 10 || 2 * width * hypothesis.size() / 8 < table_bytes) {
    align_by_table(reference, hypothesis, most, edits);
  } else {
    const std::size_t half = hypothesis.size() / 2;
    const auto left = distances(reference, hypothesis.first(half), false), right = distances(reference, hypothesis.subspan(half), true);
    std::size_t cut = 0;
    for (std::size_t i = 1; i <= reference.size(); ++i) {
      if (left[i] + right[reference.size() - i] < left[cut] + right[reference.size() - cut]) cut = i;
    }
    align(reference.first(cut), hypothesis.first(half), left[cut], edits);
    align(reference.subspan(cut), hypothesis.subspan(half), right[reference.size() - cut], edits);
  }
  append(edits, suffix, Edit::hit);
}

}  // namespace

std::vector<Edit> align_edits(const std::vector<std::string_view>& reference, const std::vector<std::string_view>& hypothesis) {
  std::unordered_map<std::string_view, std::uint32_t> numbers;
  const auto numbered = [&numbers](const std::vector<std::string_view>& items) {
    std::vector<std::uint32_t> out;
    for (const std::string_view item : items)
      out.push_back(numbers.try_emplace(item, static_cast<std::uint32_t>(numbers.size())).first->second);
    return out;
  };
  const auto reference_items = numbered(reference), hypothesis_items = numbered(hypothesis);
  std::vector<Edit> edits;
  align(reference_items, hypothesis_items, std::max(reference.size(), hypothesis.size()), edits);
  return edits;
}

}  // namespace thaw
