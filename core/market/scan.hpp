#pragma once
// Keeps the list of symbols that meet a condition up to date with every event.
//
// A condition is a program of steps over a stack, checked once when it is made. Its values are
// doubles; an unknown value is NaN and makes no condition true: neither a comparison with it nor
// the negation of one.
//
// A window moves in steps of a 600th of its length. The value at its beginning is that of the last
// step before; sums and extremes cover its last 600 steps, including the present one. Before a
// symbol has been watched for a whole window, since its first event or the first sweep, its values
// are unknown.
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "base/money.hpp"
#include "base/status.hpp"
#include "journal/events.hpp"
#include "journal/reader.hpp"

namespace onetape {

enum class ScanOp : std::uint8_t {
    number,
    field,   // what: ScanField
    window,  // what: ScanFigure of the window `index`
    negative,
    absolute,
    add,
    subtract,
    multiply,
    divide,
    least,
    most,
    less,
    less_equal,
    more,
    more_equal,
    equal,
    not_equal,
    both,  // three-valued: unknown unless one side decides
    either,
    negation,
};

enum class ScanField : std::uint8_t {
    bid,
    ask,
    mid,
    spread,
    bid_size,
    ask_size,
    last,
    last_size,
    mark,
    index,
    funding,
    open_interest,
    tick,
    lot,
    age,  // seconds since its last quote
};
inline constexpr int scan_field_count = static_cast<int>(ScanField::age) + 1;

enum class ScanFigure : std::uint8_t {
    change,
    high,
    low,
    volume,
    turnover,
    trades,
    vwap,
    rate,        // trades a second
    volatility,  // root of the sum of squared relative mid changes of its steps
};
inline constexpr int scan_figure_count = static_cast<int>(ScanFigure::volatility) + 1;

struct ScanStep {
    ScanOp op{};
    std::uint8_t what = 0;
    std::uint16_t window = 0;
    std::int32_t symbol = -1;  // index of another symbol; -1: of the symbol that is evaluated
    double number = 0;
};

struct ScanTerms {
    // Frame units in 1.0: division gives the double nearest to the decimal price, which equals the
    // number in a condition.
    double price_scale = 1, size_scale = 1;
    double tick = 0, lot = 0;
    double multiplier = 1;  // of a contract: turnover = price * size * multiplier
};

// A symbol begins or ceases to meet the condition.
struct ScanChange {
    std::uint32_t symbol = 0;
    bool meets = false;
    std::int64_t time = 0;
    std::vector<double> values;  // values of the shown programs at that time
};

inline constexpr std::uint32_t scan_no_symbol = ~std::uint32_t{0};
inline constexpr std::size_t scan_slots = 600;
inline constexpr std::size_t scan_steps_max = 256;
inline constexpr std::size_t scan_depth_max = 32;
inline constexpr std::size_t scan_windows_max = 16;
inline constexpr std::int64_t scan_window_min = 600;                             // ns
inline constexpr std::int64_t scan_window_max = 7ll * 86'400 * 1'000'000'000ll;  // ns

// One window of one symbol.
class ScanWindow {
 public:
    explicit ScanWindow(std::int64_t length) noexcept;

    void advance(std::int64_t time, double mid) noexcept;  // mid: the value until now
    void on_trade(std::int64_t price, std::int64_t size) noexcept;
    [[nodiscard]] double figure(ScanFigure figure, double mid, const ScanTerms& terms) noexcept;

 private:
    struct Slot {
        double mid = std::numeric_limits<double>::quiet_NaN();  // at its beginning
        std::int64_t volume = 0, trades = 0;
        Int128 turnover = 0;
        std::int64_t high = std::numeric_limits<std::int64_t>::min();
        std::int64_t low = std::numeric_limits<std::int64_t>::max();
    };
    [[nodiscard]] Slot& at(std::int64_t slot) noexcept;
    void expire(const Slot& slot) noexcept;
    void find_extremes() noexcept;
    [[nodiscard]] double volatility() noexcept;

    std::int64_t step_;
    std::int64_t slot_ = 0, first_ = 0;
    bool has_begun_ = false;
    // One more than the window has: it holds the value at the beginning.
    std::array<Slot, scan_slots + 1> slots_{};
    std::int64_t trades_ = 0;
    Int128 volume_ = 0, turnover_ = 0;
    std::int64_t high_ = std::numeric_limits<std::int64_t>::min();
    std::int64_t low_ = std::numeric_limits<std::int64_t>::max();
    bool is_stale_ = false;  // the extremes
    double volatility_ = 0;  // as of the beginning of the present step
    bool has_volatility_ = false;
};

class Scan {
 public:
    // windows: lengths in ns. symbols: initial number. shown: programs whose values are reported
    // with each change. invalid: a step that no program may have.
    static Failure make(std::vector<ScanStep> steps, std::vector<std::int64_t> windows,
                        std::size_t symbols, std::vector<std::vector<ScanStep>> shown,
                        std::unique_ptr<Scan>& made);

    // Adds a symbol; returns its index.
    std::uint32_t add_symbol();
    // Sets the terms of one symbol, before its first event and whenever its instrument changes.
    void set_terms(std::uint32_t symbol, const ScanTerms& terms) noexcept;

    void on_quote(std::uint32_t symbol, std::int64_t time, const QuotePayload& quote);
    void on_trade(std::uint32_t symbol, std::int64_t time, const TradePayload& trade);
    void on_mark(std::uint32_t symbol, std::int64_t time, const MarkPayload& mark);
    void on_funding(std::uint32_t symbol, std::int64_t time, const FundingPayload& funding);
    void on_open_interest(std::uint32_t symbol, std::int64_t time, const OpenInterestPayload& open);
    // symbols: index by stream of the journal, scan_no_symbol: not in this scan.
    void on_frame(const Frame& frame, const std::vector<std::uint32_t>& symbols);
    // Evaluates every symbol again: windows move on while no events come.
    void sweep(std::int64_t time);
    // While false, events only update values: for events before the condition applies.
    void set_judging(bool judges) noexcept { judges_ = judges; }

    [[nodiscard]] std::size_t count() const noexcept { return symbols_.size(); }
    [[nodiscard]] std::uint64_t checks() const noexcept { return checks_; }
    // Returns the changes since the last call.
    std::vector<ScanChange> take_changes() { return std::exchange(changes_, {}); }

 private:
    static Failure check(const std::vector<ScanStep>& steps, std::size_t windows,
                         std::size_t symbols);
    struct Symbol {
        ScanTerms terms;
        double bid, ask, spread, bid_size, ask_size, last, last_size, mark, index, funding,
            open_interest;
        std::int64_t quoted_at = std::numeric_limits<std::int64_t>::min();
        bool meets = false;
        bool is_referred_to = false;  // by the condition, for all others
        std::vector<ScanWindow> windows;
        Symbol() noexcept;
        [[nodiscard]] double mid() const noexcept { return (bid + ask) / 2; }
        [[nodiscard]] double field(ScanField field, std::int64_t now) const noexcept;
    };
    [[nodiscard]] double run(const std::vector<ScanStep>& steps, Symbol& own, std::int64_t time);
    // Values of the shown programs; NaN: unknown.
    [[nodiscard]] std::vector<double> values(std::uint32_t symbol, std::int64_t time);
    Symbol& at_time(std::uint32_t symbol, std::int64_t time) noexcept;
    void judge(std::uint32_t symbol, std::int64_t time);
    void touched(std::uint32_t symbol, std::int64_t time);

    std::vector<ScanStep> steps_;
    std::vector<std::vector<ScanStep>> shown_;
    std::vector<std::int64_t> windows_;
    std::vector<Symbol> symbols_;
    std::vector<ScanChange> changes_;
    std::uint64_t checks_ = 0;
    bool judges_ = true;
    std::int64_t time_ = std::numeric_limits<std::int64_t>::min();
};

// Feeds several journals into one scan, in time order; of equal times the journal added first.
class ScanFeeds {
 public:
    explicit ScanFeeds(Scan& scan) noexcept : scan_(&scan) {}

    std::size_t add(Reader& reader) {
        feeds_.push_back({&reader, {}, {}, false});
        return feeds_.size() - 1;
    }
    // Assigns this stream's frames to the symbol from now on; scan_no_symbol: to none.
    void map(std::size_t feed, std::uint32_t stream, std::uint32_t symbol);

    enum class Stop : std::uint8_t { at_most, nothing, instrument, failed };
    // Takes up to `frames_max` frames before a time. nothing: no frame before it. instrument:
    // found() is one, which must be mapped. failed: status() of feed().
    Stop take(std::size_t frames_max, std::int64_t time_until);
    [[nodiscard]] std::size_t feed() const noexcept { return feed_; }
    [[nodiscard]] const Frame& found() const noexcept { return found_; }
    [[nodiscard]] Status status() const noexcept { return status_; }
    // Time of the first available frame; INT64_MAX: none.
    [[nodiscard]] std::int64_t next_time() const noexcept;

 private:
    struct Feed {
        Reader* reader;
        std::vector<std::uint32_t> symbols;  // by stream
        Frame frame;
        bool has_frame;
    };
    Scan* scan_;
    std::vector<Feed> feeds_;
    std::size_t feed_ = 0;
    Frame found_;
    Status status_ = Status::ok;
};

}  // namespace onetape
