// Conditions that the robot follows: updated with its market events, and evaluated each second as
// well.
#include <algorithm>

#include "engine/trading_loop.hpp"

namespace onetape {
namespace {

constexpr std::int64_t scan_every = 1'000'000'000;
constexpr std::int64_t scan_gap_max = 8 * 86'400 * scan_every;

}  // namespace

std::size_t TradingLoop::add_scan(std::unique_ptr<Scan> scan,
                                  const std::vector<std::uint32_t>& instruments, bool takes_all) {
    scans_.push_back({std::move(scan), takes_all, {}, instruments});
    RobotScan& added = scans_.back();
    added.symbols.resize(instruments_.size(), scan_no_symbol);
    for (std::uint32_t symbol = 0; symbol < instruments.size(); ++symbol) {
        added.symbols[instruments[symbol]] = symbol;
        scan_instrument(scans_.size() - 1, *instruments_[instruments[symbol]]);
    }
    next_scan_ = std::min(next_scan_, now_ - now_ % scan_every + scan_every);
    next_due_ = std::min(next_due_, next_scan_);
    return scans_.size() - 1;
}

// Sets an instrument's units, when it is added and whenever it changes.
void TradingLoop::scan_instrument(std::size_t number, const Instrument& instrument) {
    RobotScan& scan = scans_[number];
    if (scan.symbols.size() <= instrument.index)
        scan.symbols.resize(instrument.index + std::size_t{1}, scan_no_symbol);
    std::uint32_t& symbol = scan.symbols[instrument.index];
    if (symbol == scan_no_symbol) {
        if (!scan.takes_all) return;
        symbol = scan.scan->add_symbol();
        scan.instruments.push_back(instrument.index);
    }
    const InstrumentSpec& spec = instrument.spec;
    double multiplier_scale = 1;
    for (int i = 0; i < spec.multiplier_decimals; ++i) multiplier_scale *= 10;
    scan.scan->set_terms(symbol, {instrument.price_scale, instrument.size_scale,
                                  static_cast<double>(spec.tick) / instrument.price_scale,
                                  static_cast<double>(spec.lot) / instrument.size_scale,
                                  static_cast<double>(spec.multiplier) / multiplier_scale});
}

// Each second, as long as frames come: beyond the longest window nothing changes any more.
bool TradingLoop::sweep_scans(std::int64_t until) {
    const std::int64_t time = next_scan_;
    if (Int128{until} - time >= scan_gap_max) {
        next_scan_ = until < never - scan_every ? until - until % scan_every + scan_every : never;
        return true;
    }
    next_scan_ += scan_every;
    for (std::size_t number = 0; number < scans_.size(); ++number) {
        scans_[number].scan->sweep(time);
        if (!tell_scan(number)) return false;
    }
    return true;
}

bool TradingLoop::tell_scan(std::size_t number) {
    // The robot may add another scan in its callback, which may move the vector's elements.
    for (const ScanChange& change : scans_[number].scan->take_changes()) {
        if (halted_) continue;
        Instrument& instrument = *instruments_[scans_[number].instruments[change.symbol]];
        in_robot_ = true;
        if (!robot_->on_scan(number, instrument, change) || !after_callback()) return false;
    }
    return true;
}

}  // namespace onetape
