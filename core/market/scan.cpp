#include "market/scan.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "market/earliest.hpp"

namespace onetape {

namespace {

constexpr double unknown = std::numeric_limits<double>::quiet_NaN();
constexpr std::int64_t slots = static_cast<std::int64_t>(scan_slots);

[[nodiscard]] bool is_leaf(ScanOp op) noexcept {
    return op == ScanOp::number || op == ScanOp::field || op == ScanOp::window;
}

[[nodiscard]] bool takes_one(ScanOp op) noexcept {
    return op == ScanOp::negative || op == ScanOp::absolute || op == ScanOp::negation;
}

[[nodiscard]] double truth(bool is) noexcept {
    return is ? 1.0 : 0.0;
}

// Equal up to the rounding of a few steps: 3 * 0.1 is 0.3.
[[nodiscard]] bool same(double a, double b) noexcept {
    constexpr double rounding = 8 * std::numeric_limits<double>::epsilon();
    return a == b || std::abs(a - b) <= rounding * std::min(std::abs(a), std::abs(b));
}

[[nodiscard]] double combined(ScanOp op, double a, double b) noexcept {
    if (op == ScanOp::both) {
        if (a == 0 || b == 0) return 0;
        return std::isnan(a) || std::isnan(b) ? unknown : 1;
    }
    if (op == ScanOp::either) {
        if (a == 1 || b == 1) return 1;
        return std::isnan(a) || std::isnan(b) ? unknown : 0;
    }
    if (std::isnan(a) || std::isnan(b)) return unknown;
    switch (op) {
        case ScanOp::add:
            return a + b;
        case ScanOp::subtract:
            return a - b;
        case ScanOp::multiply:
            return a * b;
        case ScanOp::divide:
            return b == 0 ? unknown : a / b;
        case ScanOp::least:
            return std::min(a, b);
        case ScanOp::most:
            return std::max(a, b);
        case ScanOp::less:
            return truth(a < b && !same(a, b));
        case ScanOp::less_equal:
            return truth(a <= b || same(a, b));
        case ScanOp::more:
            return truth(a > b && !same(a, b));
        case ScanOp::more_equal:
            return truth(a >= b || same(a, b));
        case ScanOp::equal:
            return truth(same(a, b));
        case ScanOp::not_equal:
            return truth(!same(a, b));
        default:
            return unknown;
    }
}

}  // namespace

// --- one window of one symbol --------------------------------------------------------------------

ScanWindow::ScanWindow(std::int64_t length) noexcept
    : step_(std::max<std::int64_t>(1, length / slots)) {}

ScanWindow::Slot& ScanWindow::at(std::int64_t slot) noexcept {
    const std::int64_t ring = slots + 1;
    return slots_[static_cast<std::size_t>(((slot % ring) + ring) % ring)];
}

void ScanWindow::expire(const Slot& slot) noexcept {
    if (slot.trades == 0) return;
    volume_ -= slot.volume;
    turnover_ -= slot.turnover;
    trades_ -= slot.trades;
    is_stale_ = is_stale_ || slot.high >= high_ || slot.low <= low_;
}

void ScanWindow::advance(std::int64_t time, double mid) noexcept {
    const std::int64_t now = time >= 0 ? time / step_ : -((-time + step_ - 1) / step_);
    if (!has_begun_) {
        has_begun_ = true;
        slot_ = first_ = now;
        return;
    }
    if (now <= slot_) return;  // a clock that was set back changes nothing
    // Beyond a whole ring every slot is new.
    for (std::int64_t slot = std::max(slot_ + 1, now - slots); slot <= now; ++slot) {
        // The slot that leaves the sums is one window back; it stays for its price.
        expire(at(slot - slots));
        Slot& fresh = at(slot);
        fresh = Slot{};
        fresh.mid = mid;
    }
    if (now - slot_ > slots) {  // all slots had no events
        volume_ = turnover_ = 0;
        trades_ = 0;
        is_stale_ = true;
    }
    slot_ = now;
    has_volatility_ = false;
}

void ScanWindow::on_trade(std::int64_t price, std::int64_t size) noexcept {
    Slot& slot = at(slot_);
    slot.volume += size;
    slot.turnover += Int128{price} * size;
    ++slot.trades;
    slot.high = std::max(slot.high, price);
    slot.low = std::min(slot.low, price);
    volume_ += size;
    turnover_ += Int128{price} * size;
    ++trades_;
    high_ = std::max(high_, price);
    low_ = std::min(low_, price);
}

void ScanWindow::find_extremes() noexcept {
    if (!is_stale_) return;
    is_stale_ = false;
    high_ = std::numeric_limits<std::int64_t>::min();
    low_ = std::numeric_limits<std::int64_t>::max();
    for (std::int64_t slot = slot_ - slots + 1; slot <= slot_; ++slot) {
        const Slot& each = at(slot);
        if (each.trades == 0) continue;
        high_ = std::max(high_, each.high);
        low_ = std::min(low_, each.low);
    }
}

// Over complete steps: the present one has no end yet.
double ScanWindow::volatility() noexcept {
    if (has_volatility_) return volatility_;
    double sum = 0, before = at(slot_ - slots).mid;
    for (std::int64_t slot = slot_ - slots + 1; slot <= slot_; ++slot) {
        const double mid = at(slot).mid;
        const double change = mid / before - 1;
        sum += change * change;
        before = mid;
    }
    has_volatility_ = true;
    volatility_ = std::isfinite(sum) ? std::sqrt(sum) : unknown;
    return volatility_;
}

double ScanWindow::figure(ScanFigure figure, double mid, const ScanTerms& terms) noexcept {
    if (!has_begun_ || slot_ - first_ < slots) return unknown;
    switch (figure) {
        case ScanFigure::change: {
            const double before = at(slot_ - slots).mid;
            return std::isnan(before) || before == 0 ? unknown : mid / before - 1;
        }
        case ScanFigure::volume:
            return static_cast<double>(volume_) / terms.size_scale;
        case ScanFigure::turnover:
            return static_cast<double>(turnover_) / terms.price_scale / terms.size_scale *
                   terms.multiplier;
        case ScanFigure::trades:
            return static_cast<double>(trades_);
        case ScanFigure::rate:
            return static_cast<double>(trades_) / (static_cast<double>(step_ * slots) * 1e-9);
        case ScanFigure::volatility:
            return volatility();
        case ScanFigure::vwap:
            return volume_ == 0 ? unknown
                                : static_cast<double>(turnover_) / static_cast<double>(volume_) /
                                      terms.price_scale;
        case ScanFigure::high:
        case ScanFigure::low:
            if (trades_ == 0) return unknown;
            find_extremes();
            return static_cast<double>(figure == ScanFigure::high ? high_ : low_) /
                   terms.price_scale;
    }
    return unknown;
}

// --- one symbol ----------------------------------------------------------------------------------

Scan::Symbol::Symbol() noexcept
    : bid(unknown),
      ask(unknown),
      spread(unknown),
      bid_size(unknown),
      ask_size(unknown),
      last(unknown),
      last_size(unknown),
      mark(unknown),
      index(unknown),
      funding(unknown),
      open_interest(unknown) {}

double Scan::Symbol::field(ScanField field, std::int64_t now) const noexcept {
    switch (field) {
        case ScanField::bid:
            return bid;
        case ScanField::ask:
            return ask;
        case ScanField::mid:
            return mid();
        case ScanField::spread:
            return spread;
        case ScanField::bid_size:
            return bid_size;
        case ScanField::ask_size:
            return ask_size;
        case ScanField::last:
            return last;
        case ScanField::last_size:
            return last_size;
        case ScanField::mark:
            return mark;
        case ScanField::index:
            return index;
        case ScanField::funding:
            return funding;
        case ScanField::open_interest:
            return open_interest;
        case ScanField::tick:
            return terms.tick > 0 ? terms.tick : unknown;
        case ScanField::lot:
            return terms.lot > 0 ? terms.lot : unknown;
        case ScanField::age:
            return quoted_at == std::numeric_limits<std::int64_t>::min()
                       ? unknown
                       : static_cast<double>(now - quoted_at) * 1e-9;
    }
    return unknown;
}

// --- all of them ---------------------------------------------------------------------------------

Failure Scan::check(const std::vector<ScanStep>& steps, std::size_t windows, std::size_t symbols) {
    if (steps.empty() || steps.size() > scan_steps_max)
        return {Status::invalid, "a condition of no or too many steps"};
    std::size_t depth = 0;
    for (const ScanStep& step : steps) {
        if (step.op > ScanOp::negation) return {Status::invalid, "no such step"};
        if (step.symbol < -1 ||
            (step.symbol >= 0 && static_cast<std::size_t>(step.symbol) >= symbols))
            return {Status::invalid, "a symbol that is not in the scan"};
        if (step.op == ScanOp::field && step.what >= scan_field_count)
            return {Status::invalid, "no such field"};
        if (step.op == ScanOp::window && (step.what >= scan_figure_count || step.window >= windows))
            return {Status::invalid, "no such window"};
        const std::size_t needs = is_leaf(step.op) ? 0 : takes_one(step.op) ? 1 : 2;
        if (depth < needs) return {Status::invalid, "a step without what it works on"};
        depth = depth - needs + 1;
        if (depth > scan_depth_max) return {Status::invalid, "a condition nested too deep"};
    }
    return depth == 1 ? Failure{} : Failure{Status::invalid, "values that nothing uses"};
}

Failure Scan::make(std::vector<ScanStep> steps, std::vector<std::int64_t> windows,
                   std::size_t symbols, std::vector<std::vector<ScanStep>> shown,
                   std::unique_ptr<Scan>& made) {
    if (windows.size() > scan_windows_max) return {Status::invalid, "too many windows"};
    for (const std::int64_t length : windows)
        if (length < scan_window_min || length > scan_window_max)
            return {Status::invalid, "a window of no possible length"};
    if (Failure failure = check(steps, windows.size(), symbols); !failure.ok()) return failure;
    for (const std::vector<ScanStep>& each : shown)
        if (Failure failure = check(each, windows.size(), symbols); !failure.ok()) return failure;
    made = std::make_unique<Scan>();
    made->steps_ = std::move(steps);
    made->shown_ = std::move(shown);
    made->windows_ = std::move(windows);
    for (std::size_t n = 0; n < symbols; ++n) made->add_symbol();
    for (const ScanStep& step : made->steps_)
        if (step.symbol >= 0)
            made->symbols_[static_cast<std::size_t>(step.symbol)].is_referred_to = true;
    return {};
}

std::uint32_t Scan::add_symbol() {
    Symbol& symbol = symbols_.emplace_back();
    symbol.windows.reserve(windows_.size());
    for (const std::int64_t length : windows_) symbol.windows.emplace_back(length);
    return static_cast<std::uint32_t>(symbols_.size() - 1);
}

void Scan::set_terms(std::uint32_t symbol, const ScanTerms& terms) noexcept {
    symbols_[symbol].terms = terms;
}

Scan::Symbol& Scan::at_time(std::uint32_t symbol, std::int64_t time) noexcept {
    Symbol& own = symbols_[symbol];
    time_ = std::max(time_, time);
    for (ScanWindow& window : own.windows) window.advance(time_, own.mid());
    return own;
}

double Scan::run(const std::vector<ScanStep>& steps, Symbol& own, std::int64_t time) {
    std::array<double, scan_depth_max> stack;
    std::size_t top = 0;  // stack height
    for (const ScanStep& step : steps) {
        switch (step.op) {
            case ScanOp::number:
                stack[top++] = step.number;
                break;
            case ScanOp::field: {
                const Symbol& of =
                    step.symbol < 0 ? own : symbols_[static_cast<std::size_t>(step.symbol)];
                stack[top++] = of.field(static_cast<ScanField>(step.what), time);
                break;
            }
            case ScanOp::window: {
                Symbol& of =
                    step.symbol < 0 ? own : symbols_[static_cast<std::size_t>(step.symbol)];
                ScanWindow& window = of.windows[step.window];
                window.advance(time, of.mid());
                stack[top++] =
                    window.figure(static_cast<ScanFigure>(step.what), of.mid(), of.terms);
                break;
            }
            case ScanOp::negative:
                stack[top - 1] = -stack[top - 1];
                break;
            case ScanOp::absolute:
                stack[top - 1] = std::fabs(stack[top - 1]);
                break;
            case ScanOp::negation:
                if (!std::isnan(stack[top - 1])) stack[top - 1] = truth(stack[top - 1] == 0);
                break;
            default:
                --top;
                stack[top - 1] = combined(step.op, stack[top - 1], stack[top]);
        }
    }
    return stack[0];
}

void Scan::judge(std::uint32_t symbol, std::int64_t time) {
    Symbol& own = symbols_[symbol];
    ++checks_;
    const bool meets = run(steps_, own, time) == 1;
    if (meets == own.meets) return;
    own.meets = meets;
    changes_.push_back({symbol, meets, time, values(symbol, time)});
}

void Scan::touched(std::uint32_t symbol, std::int64_t time) {
    if (!judges_) return;
    judge(symbol, time);
    if (!symbols_[symbol].is_referred_to) return;
    for (std::uint32_t other = 0; other < symbols_.size(); ++other)
        if (other != symbol) judge(other, time);
}

void Scan::on_quote(std::uint32_t symbol, std::int64_t time, const QuotePayload& quote) {
    Symbol& own = at_time(symbol, time);
    const double scale = own.terms.price_scale;
    own.bid = quote.bid > 0 ? static_cast<double>(quote.bid) / scale : unknown;
    own.ask = quote.ask > 0 ? static_cast<double>(quote.ask) / scale : unknown;
    // In whole ticks: the difference of two doubles is not the double nearest to the difference of
    // the prices.
    own.spread = quote.bid > 0 && quote.ask > 0 ? static_cast<double>(quote.ask - quote.bid) / scale
                                                : unknown;
    own.bid_size = static_cast<double>(quote.bid_size) / own.terms.size_scale;
    own.ask_size = static_cast<double>(quote.ask_size) / own.terms.size_scale;
    own.quoted_at = time_;
    touched(symbol, time_);
}

void Scan::on_trade(std::uint32_t symbol, std::int64_t time, const TradePayload& trade) {
    Symbol& own = at_time(symbol, time);
    own.last = static_cast<double>(trade.price) / own.terms.price_scale;
    own.last_size = static_cast<double>(trade.size) / own.terms.size_scale;
    for (ScanWindow& window : own.windows) window.on_trade(trade.price, trade.size);
    touched(symbol, time_);
}

void Scan::on_mark(std::uint32_t symbol, std::int64_t time, const MarkPayload& mark) {
    Symbol& own = at_time(symbol, time);
    own.mark = static_cast<double>(mark.mark) / own.terms.price_scale;
    if (mark.index > 0) own.index = static_cast<double>(mark.index) / own.terms.price_scale;
    touched(symbol, time_);
}

void Scan::on_funding(std::uint32_t symbol, std::int64_t time, const FundingPayload& funding) {
    Symbol& own = at_time(symbol, time);
    own.funding = static_cast<double>(funding.rate) * 1e-12;
    touched(symbol, time_);
}

void Scan::on_open_interest(std::uint32_t symbol, std::int64_t time,
                            const OpenInterestPayload& open) {
    Symbol& own = at_time(symbol, time);
    own.open_interest = static_cast<double>(open.size) / own.terms.size_scale;
    touched(symbol, time_);
}

void Scan::on_frame(const Frame& frame, const std::vector<std::uint32_t>& symbols) {
    const FrameHeader& header = *frame.header;
    if (header.stream >= symbols.size()) return;
    const std::uint32_t symbol = symbols[header.stream];
    if (symbol == scan_no_symbol) return;
    switch (frame.type()) {
        case EventType::quote:
            on_quote(symbol, header.time, frame.as<QuotePayload>());
            break;
        case EventType::trade:
            on_trade(symbol, header.time, frame.as<TradePayload>());
            break;
        case EventType::mark:
            on_mark(symbol, header.time, frame.as<MarkPayload>());
            break;
        case EventType::funding:
            on_funding(symbol, header.time, frame.as<FundingPayload>());
            break;
        case EventType::open_interest:
            on_open_interest(symbol, header.time, frame.as<OpenInterestPayload>());
            break;
        default:
            break;
    }
}

void Scan::sweep(std::int64_t time) {
    time_ = std::max(time_, time);
    for (std::uint32_t symbol = 0; symbol < symbols_.size(); ++symbol) judge(symbol, time_);
}

std::vector<double> Scan::values(std::uint32_t symbol, std::int64_t time) {
    std::vector<double> list;
    list.reserve(shown_.size());
    for (const std::vector<ScanStep>& each : shown_)
        list.push_back(run(each, symbols_[symbol], time));
    return list;
}

// --- journals ------------------------------------------------------------------------------------

void ScanFeeds::map(std::size_t feed, std::uint32_t stream, std::uint32_t symbol) {
    std::vector<std::uint32_t>& symbols = feeds_[feed].symbols;
    if (stream >= symbols.size()) symbols.resize(stream + std::size_t{1}, scan_no_symbol);
    symbols[stream] = symbol;
}

ScanFeeds::Stop ScanFeeds::take(std::size_t frames_max, std::int64_t time_until) {
    for (std::size_t taken = 0; taken < frames_max; ++taken) {
        const Feed* failed = nullptr;
        Feed* const first = earliest(feeds_, status_, failed);
        if (failed != nullptr) {
            feed_ = static_cast<std::size_t>(failed - feeds_.data());
            return Stop::failed;
        }
        if (first == nullptr || first->frame.header->time >= time_until) return Stop::nothing;
        first->has_frame = false;
        if (first->frame.type() == EventType::instrument) {
            feed_ = static_cast<std::size_t>(first - feeds_.data());
            found_ = first->frame;
            return Stop::instrument;
        }
        scan_->on_frame(first->frame, first->symbols);
    }
    return Stop::at_most;
}

std::int64_t ScanFeeds::next_time() const noexcept {
    std::int64_t time = std::numeric_limits<std::int64_t>::max();
    for (const Feed& each : feeds_)
        if (each.has_frame) time = std::min(time, each.frame.header->time);
    return time;
}

}  // namespace onetape
