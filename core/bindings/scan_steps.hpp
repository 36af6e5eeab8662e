#pragma once
// A condition in the form in which Python passes it.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <tuple>
#include <vector>

#include "market/scan.hpp"

namespace onetape {

using PyScanStep = std::tuple<int, int, int, int, double>;  // op, what, window, symbol, number

// Raises the failures of Scan::make.
std::unique_ptr<Scan> made_scan(const std::vector<PyScanStep>& steps,
                                const std::vector<std::int64_t>& windows, std::size_t symbols,
                                const std::vector<std::vector<PyScanStep>>& shown);

}  // namespace onetape
