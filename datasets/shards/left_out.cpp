#include "datasets/shards/left_out.h"

namespace thaw {

OrderedJson LeftOut::to_json() const { return {{"reason", reason}, {"where", where}, {"id", id}, {"detail", detail}, {"source", source}}; }

LeftOut LeftOut::read(const JsonView& view) {
  LeftOut left;
  left.reason = view["reason"].text();
  left.where = view["where"].text();
  left.id = view["id"].text();
  left.detail = view["detail"].text();
  if (view["source"].integer() < 0) view["source"].fail("the number of a source");
  left.source = static_cast<std::uint64_t>(view["source"].integer());
  return left;
}

}  // namespace thaw
