// Who may look at a page: whoever has its token, and asks for it by a name of this machine. A web site that a browser visits
// meanwhile has no token, and cannot make its own name point here (DNS rebinding): names that nobody knows are refused.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace thaw {

// The value of `name` in the query of a request's target ("/?token=abc&theme=dark"), or in a Cookie header; "" where there is none.
std::string_view query_value(std::string_view target, std::string_view name);
std::string_view cookie_value(std::string_view cookies, std::string_view name);

// Whether a Host header names us: by an address (which no name server can fake), as localhost, or by one of `names`.
bool known_host(std::string_view host, const std::vector<std::string>& names);

}  // namespace thaw
