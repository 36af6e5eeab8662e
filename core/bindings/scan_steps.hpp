#pragma once
// A condition as Python hands it down.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <tuple>
#include <vector>

#include "market/scan.hpp"

namespace onetape {

using PyScanStep = std::tuple<int, int, int, int, double>;  // op, what, window, symbol, number

// Raises what Scan::make refuses.
std::unique_ptr<Scan> made_scan(const std::vector<PyScanStep>& steps,
                                const std::vector<std::int64_t>& windows, std::size_t symbols,
                                const std::vector<std::vector<PyScanStep>>& shown);

}  // namespace onetape
