#include "framework/tensor/torch_file.h"

#include <array>
#include <optional>
#include <set>
#include <utility>

#include "framework/base/error.h"
#include "framework/tensor/damage.h"
#include "framework/tensor/pickle.h"
#include "framework/tensor/zip_archive.h"

namespace thaw {
namespace {

using Kind = PickleValue::Kind;

constexpr std::string_view zip_begin("PK\3\4", 4);
constexpr std::string_view legacy_begin("\x80\x02\x8a\x0al\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.",
                                        15);  // a pickle of one number, the format's mark
constexpr int deepest = 100;                  // dicts and lists within each other
constexpr std::size_t most_leaves = 2'000'000;

constexpr std::array<std::pair<const char*, at::ScalarType>, 10> storages{{{"torch.FloatStorage", at::kFloat},
                                                                           {"torch.HalfStorage", at::kHalf},
                                                                           {"torch.BFloat16Storage", at::kBFloat16},
                                                                           {"torch.DoubleStorage", at::kDouble},
                                                                           {"torch.LongStorage", at::kLong},
                                                                           {"torch.IntStorage", at::kInt},
                                                                           {"torch.ShortStorage", at::kShort},
                                                                           {"torch.CharStorage", at::kChar},
                                                                           {"torch.ByteStorage", at::kByte},
                                                                           {"torch.BoolStorage", at::kBool}}};

const std::set<std::string, std::less<>>& allowed() {
  static const auto all = [] {
    std::set<std::string, std::less<>> names{"collections.OrderedDict",
                                             "torch.Size",
                                             "torch._utils._rebuild_tensor_v2",
                                             "torch._utils._rebuild_parameter",
                                             "torch.device",
                                             "torch._utils._rebuild_tensor",
                                             "torch.float32",
                                             "torch.float16",
                                             "torch.bfloat16",
                                             "torch.float64",
                                             "torch.int64",
                                             "torch.int32",
                                             "torch.int16",
                                             "torch.int8",
                                             "torch.uint8",
                                             "torch.bool"};
    for (const auto& [name, unused] : storages) names.insert(name);
    return names;
  }();
  return all;
}

// What tensors share: a run of elements somewhere in the file.
struct Storage {
  at::ScalarType type;
  std::int64_t elements;
  std::size_t begin = 0;
};

// Walks what a pickle describes, and adds its tensors to the file's.
class Reader {
 public:
  explicit Reader(const fs::path& path) : file_(path) {}
  TensorFile read() {
    if (file_.text().starts_with(zip_begin)) read_zip();
    else read_legacy();
    return std::move(file_);
  }

 private:
  struct Found {  // a tensor of the legacy format, whose storages lie behind the pickle
    std::string name, storage;
    StoredTensor stored;
  };

  void read_zip();
  void read_legacy();
  void walk(const PickleValue& root) {
    std::optional<Json> values = visit(root, "", 0);
    file_.set_values(values ? std::move(*values) : Json::object());
  }
  std::optional<Json> visit(const PickleValue& value, const std::string& name, int depth);
  Json visit_dict(const std::vector<const PickleValue*>& items, const std::string& name, int depth);
  void add_tensor(const PickleValue& object, const std::string& name);
  std::pair<std::string, Storage> storage_of(const PickleValue& value, const std::string& name) const;
  std::int64_t whole(const PickleValue& value, const std::string& name) const;
  std::vector<std::int64_t> wholes(const PickleValue& value, const std::string& name) const;
  std::string utf8(const std::string& text, const std::string& name) const;
  [[noreturn]] void fail(const std::string& name, const std::string& what) const {
    throw ModelError("{}: {}: {}; {}", file_.path(), name.empty() ? "the pickle" : name, what, download_again);
  }

  TensorFile file_;
  std::size_t leaves_ = 0;
  std::map<std::string, Storage> storages_;  // by key, as tensors named them
  std::vector<Found> found_;
};

// Text goes into JSON and messages.
std::string Reader::utf8(const std::string& text, const std::string& name) const {
  try {
    (void)Json(text).dump();
  } catch (const Json::exception&) {
    fail(name, "text that is not UTF-8");
  }
  return text;
}

std::int64_t Reader::whole(const PickleValue& value, const std::string& name) const {
  if (!value.is(Kind::integer)) fail(name, "expected a whole number");
  return value.integer;
}

std::vector<std::int64_t> Reader::wholes(const PickleValue& value, const std::string& name) const {
  const PickleValue* list = &value;
  if (list->is_object("torch.Size") && list->arguments->items.size() == 1) list = list->arguments->items[0];
  if (!list->is(Kind::tuple) && !list->is(Kind::list)) fail(name, "expected a tuple of whole numbers");
  std::vector<std::int64_t> numbers;
  for (const PickleValue* item : list->items) numbers.push_back(whole(*item, name));
  return numbers;
}

// ("storage", torch.FloatStorage, key, device, elements), and in the legacy format None, or what part of another storage it is.
std::pair<std::string, Storage> Reader::storage_of(const PickleValue& value, const std::string& name) const {
  const PickleValue* const id = value.arguments;
  if (!value.is(Kind::persistent) || !id->is(Kind::tuple) || id->items.size() < 5 || id->items[0]->text != "storage" ||
      !id->items[1]->is(Kind::global) || !id->items[2]->is(Kind::text))
    fail(name, "expected a storage");
  if (id->items.size() > 5 && !id->items[5]->is(Kind::none)) fail(name, "a storage that is a part of another is not supported");
  for (const auto& [known, type] : storages) {
    if (id->items[1]->text != known) continue;
    const std::int64_t elements = whole(*id->items[4], name);
    if (elements < 0) fail(name, fmt::format("a storage of {} elements", elements));
    return {id->items[2]->text, {type, elements}};
  }
  fail(name, fmt::format("'{}' is not a storage that Thaw reads", id->items[1]->text));
}

// _rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks[, metadata]); _rebuild_tensor has the first four.
void Reader::add_tensor(const PickleValue& object, const std::string& name) {
  const std::vector<const PickleValue*>& given = object.arguments->items;
  if (name.empty()) fail(name, "expected a dict of tensors, found one tensor without a name");
  if (given.size() < 4) fail(name, "expected a storage, offset, size and strides");
  if (given.size() > 6 && !given[6]->items.empty()) fail(name, "a negated or conjugated view is not supported: save it as it is");
  const auto [key, storage] = storage_of(*given[0], name);
  const auto [at, fresh] = storages_.emplace(key, storage);
  if (at->second.type != storage.type || at->second.elements != storage.elements)
    fail(name, fmt::format("storage '{}' is described in two ways", key));
  const std::int64_t offset = whole(*given[1], name);
  Found made{name, key, {storage.type, wholes(*given[2], name), wholes(*given[3], name), 0, ""}};
  if (made.stored.shape.size() != made.stored.strides.size()) fail(name, "expected as many strides as sizes");

  // Within its own storage, and not only within the file.
  std::int64_t last = offset;
  bool fits = offset >= 0 && offset <= storage.elements, empty = false;
  for (std::size_t d = 0; d < made.stored.shape.size(); ++d) {
    const std::int64_t extent = made.stored.shape[d], stride = made.stored.strides[d];
    std::int64_t step = 0;
    fits = fits && extent >= 0 && stride >= 0 && !__builtin_mul_overflow(extent - 1, stride, &step) &&
           !__builtin_add_overflow(last, step, &last);
    empty = empty || extent == 0;
  }
  if (!fits || (!empty && last >= storage.elements))
    fail(name, fmt::format("expected it inside its storage of {} elements, found offset {}, shape [{}], strides [{}]", storage.elements,
                           offset, fmt::join(made.stored.shape, ", "), fmt::join(made.stored.strides, ", ")));
  made.stored.begin = static_cast<std::size_t>(offset) * at::elementSize(storage.type);
  found_.push_back(std::move(made));
}

Json Reader::visit_dict(const std::vector<const PickleValue*>& items, const std::string& name, int depth) {
  Json made = Json::object();
  for (std::size_t i = 0; i + 1 < items.size(); i += 2) {
    const PickleValue& key = *items[i];
    if (!key.is(Kind::text) && !key.is(Kind::integer)) fail(name, "a key that is neither text nor a whole number");
    const std::string own = key.is(Kind::text) ? utf8(key.text, name) : std::to_string(key.integer);
    if (std::optional<Json> value = visit(*items[i + 1], name.empty() ? own : name + "/" + own, depth + 1)) made[own] = std::move(*value);
  }
  return made;
}

// The value as JSON; nothing of a tensor.
std::optional<Json> Reader::visit(const PickleValue& value, const std::string& name, int depth) {
  if (depth > deepest) fail(name, fmt::format("values nested deeper than {}", deepest));
  if (++leaves_ > most_leaves) fail(name, fmt::format("more than {} values", most_leaves));
  switch (value.kind) {
    case Kind::none: return Json();
    case Kind::boolean: return Json(value.boolean);
    case Kind::integer: return Json(value.integer);
    case Kind::real: return Json(value.real);
    case Kind::text: return Json(utf8(value.text, name));
    case Kind::global: return Json(value.text);  // a dtype
    case Kind::dict: return visit_dict(value.items, name, depth);
    case Kind::persistent: fail(name, "a storage outside of a tensor is not supported");
    case Kind::object: break;
    case Kind::list:
    case Kind::tuple: {
      Json made = Json::array();
      for (std::size_t i = 0; i < value.items.size(); ++i)
        if (std::optional<Json> item = visit(*value.items[i], fmt::format("{}{}{}", name, name.empty() ? "" : "/", i), depth + 1))
          made.push_back(std::move(*item));
      return made;
    }
  }
  const std::vector<const PickleValue*>& given = value.arguments->items;
  if (value.text == "torch._utils._rebuild_tensor_v2" || value.text == "torch._utils._rebuild_tensor")
    return add_tensor(value, name), std::nullopt;
  if (value.text == "torch._utils._rebuild_parameter" && !given.empty()) return visit(*given[0], name, depth + 1);
  if (value.text == "torch.Size" && given.size() == 1) return visit(*given[0], name, depth + 1);
  if (value.text == "torch.device" && !given.empty() && given[0]->is(Kind::text)) return visit(*given[0], name, depth + 1);
  if (value.text != "collections.OrderedDict") fail(name, fmt::format("{} with arguments that it does not take", value.text));
  std::vector<const PickleValue*> items = value.items;
  if (!given.empty()) {  // Python 2 gave the items as a list of pairs
    if (given.size() > 1 || !given[0]->is(Kind::list)) fail(name, "an OrderedDict of something else than pairs");
    for (const PickleValue* pair : given[0]->items) {
      if (pair->items.size() != 2 || !(pair->is(Kind::list) || pair->is(Kind::tuple)))
        fail(name, "an OrderedDict of something else than pairs");
      items.insert(items.end(), pair->items.begin(), pair->items.end());
    }
  }
  return visit_dict(items, name, depth);
}

void Reader::read_zip() {
  const std::map<std::string, ZipMember> members = read_zip_directory(file_.text(), file_.path());
  const auto text_of = [&](const ZipMember& member) { return file_.text().substr(member.begin, member.size); };
  std::string folder;  // PyTorch names it after the file as it was saved
  for (const auto& [name, member] : members)
    if (name.ends_with("/data.pkl")) folder = name.substr(0, name.size() - std::string_view("data.pkl").size());
  const auto pickle = members.find(folder + "data.pkl");
  if (folder.empty() || pickle == members.end())
    throw ModelError("{}: expected a file of torch.save, found a zip archive without data.pkl: is it one of weights?", file_.path());
  if (const auto order = members.find(folder + "byteorder"); order != members.end() && text_of(order->second) != "little")
    throw ModelError("{}: was saved on a big-endian machine, which is not supported: save it on another", file_.path());
  ByteReader bytes(text_of(pickle->second), file_.path() + ": " + pickle->first);
  const Pickle described(bytes, allowed());
  walk(described.root());
  for (auto& [key, storage] : storages_) {
    const auto member = members.find(folder + "data/" + key);
    if (member == members.end()) fail("", fmt::format("the storage '{}' is missing", key));
    if (static_cast<std::uint64_t>(storage.elements) > member->second.size / at::elementSize(storage.type))
      fail("", fmt::format("the storage '{}' should hold {} elements, but has {} bytes", key, storage.elements, member->second.size));
    storage.begin = member->second.begin;
  }
  for (Found& found : found_) {
    found.stored.begin += storages_.at(found.storage).begin;
    file_.add(found.name, std::move(found.stored));
  }
}

// Pickles of the format's mark, its version, the machine that wrote it, the object, and the keys of its storages; then, of each, the
// number of elements in 64 bits, and these.
void Reader::read_legacy() {
  ByteReader bytes(file_.text(), file_.path());
  const Pickle mark(bytes, allowed()), version(bytes, allowed()), machine(bytes, allowed());
  if (version.root().integer != 1001) fail("", fmt::format("expected the format's version 1001, found {}", version.root().integer));
  const std::vector<const PickleValue*>& facts = machine.root().items;
  for (std::size_t i = 0; i + 1 < facts.size(); i += 2)
    if (facts[i]->text == "little_endian" && !facts[i + 1]->boolean)
      throw ModelError("{}: was saved on a big-endian machine, which is not supported: save it on another", file_.path());
  const Pickle described(bytes, allowed());
  walk(described.root());
  const Pickle keys(bytes, allowed());
  std::set<std::string> seen;
  for (const PickleValue* key : keys.root().items) {
    const auto storage = key->is(Kind::text) ? storages_.find(key->text) : storages_.end();
    if (storage == storages_.end() || !seen.insert(key->text).second) fail("", "a storage that no tensor has, or that is there twice");
    const std::size_t size = at::elementSize(storage->second.type);
    const auto elements = bytes.number<std::int64_t>();
    if (elements < storage->second.elements || static_cast<std::uint64_t>(elements) > bytes.left() / size)
      fail("", fmt::format("the storage '{}' should hold {} elements, and {} are left of {}", key->text, storage->second.elements,
                           bytes.left() / size, elements));
    storage->second.begin = bytes.at();
    bytes.take(static_cast<std::size_t>(elements) * size);
  }
  if (seen.size() != storages_.size()) fail("", "storages are missing");
  for (Found& found : found_) {
    found.stored.begin += storages_.at(found.storage).begin;
    file_.add(found.name, std::move(found.stored));
  }
}

}  // namespace

bool is_torch_file(std::string_view bytes) { return bytes.starts_with(zip_begin) || bytes.starts_with(legacy_begin); }

TensorFile read_torch_file(const fs::path& path) { return Reader(path).read(); }

}  // namespace thaw
