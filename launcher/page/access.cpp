#include "launcher/page/access.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <cctype>

#include "framework/base/error.h"

namespace thaw {
namespace {

bool same_name(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return std::tolower(static_cast<unsigned char>(c)); };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](char x, char y) { return lower(x) == lower(y); });
}

// The value of `name` among "name=value" parts.
std::string_view value_among(std::string_view parts, char separator, std::string_view name) {
  while (!parts.empty()) {
    const std::size_t end = std::min(parts.find(separator), parts.size());
    std::string_view part = parts.substr(0, end);
    while (part.starts_with(' ')) part.remove_prefix(1);
    if (part.size() > name.size() && part.starts_with(name) && part[name.size()] == '=') return part.substr(name.size() + 1);
    parts.remove_prefix(std::min(end + 1, parts.size()));
  }
  return "";
}

}  // namespace

std::string_view query_value(std::string_view target, std::string_view name) {
  const std::size_t question = target.find('?');
  return question == std::string_view::npos ? "" : value_among(target.substr(question + 1), '&', name);
}

std::string_view cookie_value(std::string_view cookies, std::string_view name) { return value_among(cookies, ';', name); }

bool known_host(std::string_view host, const std::vector<std::string>& names) {
  if (host.starts_with('[')) {
    host = host.substr(1, host.find(']') - 1);
  } else if (const std::size_t colon = host.find(':'); colon != std::string_view::npos) {
    host = host.substr(0, colon);
  }
  if (host.empty()) return false;
  boost::system::error_code error;
  boost::asio::ip::make_address(std::string(host), error);
  if (!error || same_name(host, "localhost")) return true;
  return std::any_of(names.begin(), names.end(), [&](const std::string& name) { return same_name(host, name); });
}

}  // namespace thaw
