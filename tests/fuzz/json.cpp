// JSON text, and every question that a view may be asked, at every place of it.
#include "framework/base/json.h"

#include "tests/fuzz/fuzz.h"

using namespace thaw;

namespace {

void ask(const JsonView& view) {
  fuzz::accepts([&] { view.text(); });
  fuzz::accepts([&] { view.integer(); });
  fuzz::accepts([&] { view.number(); });
  fuzz::accepts([&] { view.boolean(); });
  fuzz::accepts([&] { view.text_or("text", "otherwise"); });
  fuzz::accepts([&] { view.integer_or("integer", 1); });
  fuzz::accepts([&] { view.number_or("number", 1); });
  fuzz::accepts([&] { view.boolean_or("boolean", true); });
  fuzz::require(!fuzz::accepts([&] { view.fail("another value"); }));
  if (view.raw().is_array())
    for (std::size_t i = 0; i < view.size(); ++i) ask(view[i]);
  if (view.raw().is_object())
    for (const auto& [key, unused] : view.raw().items()) ask(view[key]);
  fuzz::accepts([&] { view[view.raw().size()]; });
  fuzz::accepts([&] { view["missing"]; });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::accepts([&] { ask(JsonFile("fuzz.json", fuzz::text_of(data, size)).view()); });
  return 0;
}
