#include "datasets/tokenizers/template.h"

#include <algorithm>

#include "datasets/tokenizers/normalizer.h"
#include "framework/base/error.h"

namespace thaw {
namespace {

std::uint32_t read_id(const JsonView& view) {
  const std::int64_t id = view.integer();
  if (id < 0 || id > INT32_MAX) view.fail("an id from 0 to 2147483647");
  return static_cast<std::uint32_t>(id);
}

// Those of GPT-2's kind set offsets right, and leave ids as they are.
bool leaves_ids(const JsonView& settings) {
  if (settings.raw().is_null()) return true;
  const std::string type = settings["type"].text();
  if (type != "Sequence") return type == "ByteLevel";
  const JsonView parts = settings["processors"];
  for (std::size_t i = 0; i < parts.size(); ++i)
    if (!leaves_ids(parts[i])) return false;
  return true;
}

}  // namespace

Template::Layout Template::read_layout(const JsonView& pieces, const JsonView& tokens, bool pair) {
  if (!pieces.raw().is_array()) pieces.fail("a list of Sequence and SpecialToken");
  Layout layout;
  bool seen[2] = {false, false};
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    const JsonView piece = pieces[i];
    const bool sequence = piece.has("Sequence");
    if (!sequence && !piece.has("SpecialToken")) piece.fail("a Sequence or a SpecialToken");
    const JsonView body = piece[sequence ? "Sequence" : "SpecialToken"];
    const JsonView type = body["type_id"];
    if (type.integer() != 0 && type.integer() != 1) type.fail("0 or 1");
    const std::string id = body["id"].text();
    Piece::Kind kind = Piece::special;
    std::vector<std::uint32_t> ids;
    if (sequence) {
      if (id != "A" && !(pair && id == "B")) body["id"].fail(pair ? "A or B" : "A");
      kind = id == "A" ? Piece::first : Piece::second;
      seen[kind] = true;
    } else {
      const JsonView list = tokens[id]["ids"];
      if (!list.raw().is_array()) list.fail("a list of ids");
      for (std::size_t k = 0; k < list.size(); ++k) ids.push_back(read_id(list[k]));
      layout.special += ids.size();
    }
    if (!layout.pieces.empty() && layout.pieces.back().type > static_cast<std::uint32_t>(type.integer())) {
      type.fail("type ids that do not fall from one piece to the next");
    }
    layout.pieces.push_back({kind, static_cast<std::uint32_t>(type.integer()), std::move(ids)});
  }
  if (!seen[0] || (pair && !seen[1])) pieces.fail(pair ? "the Sequences A and B" : "the Sequence A");
  return layout;
}

Template::Template(const JsonView& settings, const std::function<bool(std::uint32_t)>& known) {
  if (leaves_ids(settings)) {
    layouts_[0].pieces = {{Piece::first, 0, {}}};
    layouts_[1].pieces = {{Piece::first, 0, {}}, {Piece::second, 1, {}}};
    return;
  }
  const JsonView type = settings["type"];
  if (type.text() == "TemplateProcessing") {
    for (const bool pair : {false, true})
      layouts_[pair] = read_layout(settings[pair ? "pair" : "single"], settings["special_tokens"], pair);
  } else if (type.text() == "BertProcessing") {
    const std::uint32_t cls = read_id(settings["cls"][1]), sep = read_id(settings["sep"][1]);
    layouts_[0] = {{{Piece::special, 0, {cls}}, {Piece::first, 0, {}}, {Piece::special, 0, {sep}}}, 2};
    layouts_[1] = layouts_[0];
    layouts_[1].pieces.insert(layouts_[1].pieces.end(), {{Piece::second, 1, {}}, {Piece::special, 1, {sep}}});
    layouts_[1].special = 3;
  } else {
    fail_unsupported(type, "TemplateProcessing, BertProcessing and ByteLevel");
  }
  check(settings.where(), known);
}

void Template::check(const std::string& where, const std::function<bool(std::uint32_t)>& known) {
  for (const Layout& layout : layouts_) {
    for (const Piece& piece : layout.pieces) {
      for (const std::uint32_t id : piece.ids) {
        if (!known(id)) throw ModelError("{}: expected ids of the vocabulary, found {}, which it does not have", where, id);
      }
    }
  }
}

Encoding Template::assemble(std::vector<std::uint32_t> first, std::optional<std::vector<std::uint32_t>> second,
                            std::size_t max_length) const {
  const Layout& layout = layouts_[second.has_value()];
  Encoding encoding;
  if (max_length > 0) {
    if (max_length < layout.special) {
      throw DataError("max_length {} has no room for the {} special tokens of {}: raise it", max_length, layout.special,
                      second ? "a pair" : "a text");
    }
    const std::size_t room = max_length - layout.special;
    const std::size_t total = first.size() + (second ? second->size() : 0);
    encoding.truncated = total > room;
    if (encoding.truncated && !second) first.resize(room);
    if (encoding.truncated && second) {
      // The shorter text stays whole where it fits into half; else both get half, the longer one (the second of equals) the odd
      // token.
      const bool first_longer = first.size() > second->size();
      std::size_t shorter = std::min(first.size(), second->size());
      std::size_t longer = shorter > room ? shorter : std::max(shorter, room - shorter);
      if (shorter + longer > room) {
        shorter = room / 2;
        longer = shorter + room % 2;
      }
      first.resize(first_longer ? longer : shorter);
      second->resize(first_longer ? shorter : longer);
    }
  }
  encoding.ids.reserve(first.size() + (second ? second->size() : 0) + layout.special);
  bool second_began = false;
  for (const Piece& piece : layout.pieces) {
    if (piece.type == 1 && !second_began) {
      encoding.second_start = static_cast<std::uint32_t>(encoding.ids.size());
      second_began = true;
    }
    const auto& ids = piece.kind == Piece::first ? first : piece.kind == Piece::second ? *second : piece.ids;
    encoding.ids.insert(encoding.ids.end(), ids.begin(), ids.end());
  }
  if (!second_began) encoding.second_start = static_cast<std::uint32_t>(encoding.ids.size());
  return encoding;
}

}  // namespace thaw
