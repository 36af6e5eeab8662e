// A run's output: journal frames, equity, hashes.
#include <algorithm>
#include <cstring>
#include <utility>

#include "engine/reasons.hpp"
#include "engine/trading_loop.hpp"
#include "journal/packed_map.hpp"

namespace onetape {

void TradingLoop::write(EventType type, std::uint32_t instrument, const void* payload,
                        std::uint32_t bytes, std::uint16_t flags) {
    if (!writer_) return;
    // The run's own journal numbers its instruments from 1, in the order they were added.
    const Status status = writer_->append(type, flags, instrument + 1, now_, payload, bytes);
    if (status != Status::ok && failure_.ok()) failure_ = {status, "the run's journal"};
}

void TradingLoop::write_news(std::uint32_t instrument, const OrderEventPayload& event,
                             const Order* order, std::uint16_t flags) {
    if (!writer_) return;
    if (event.code == 0 || order == nullptr) [[likely]]
        return write(EventType::order_event, instrument, &event, sizeof event, flags);
    std::string whole(reinterpret_cast<const char*>(&event), sizeof event);
    whole += packed_map({{"reason", refusal_text(*order, event.code)}});
    write(EventType::order_event, instrument, whole.data(),
          static_cast<std::uint32_t>(whole.size()), flags);
}

Status TradingLoop::append_cold(EventType type, std::uint32_t stream,
                                std::span<const std::byte> payload) {
    if (!writer_) return Status::ok;
    return writer_->append(type, 0, stream, now_, payload.data(),
                           static_cast<std::uint32_t>(payload.size()));
}

void TradingLoop::note(EventType type, std::uint32_t stream, Texts texts) {
    if (!writer_) return;
    const std::string map = packed_map(texts);
    (void)append_cold(type, stream, {reinterpret_cast<const std::byte*>(map.data()), map.size()});
}

void TradingLoop::value_all(bool with_openings) {
    for (auto& instrument : instruments_) {
        std::int64_t doubled = instrument->value_doubled();
        if (doubled == 0 && with_openings) doubled = instrument->opening_doubled;
        robot_account_.set_mark_doubled(instrument->index, doubled);
        if (follows_ledger_) foreign_.set_mark_doubled(instrument->index, doubled);
    }
}

Money TradingLoop::equity() {
    value_all();
    return sum_of_equities(robot_account_);
}

Money TradingLoop::worth() {
    value_all(true);
    return sum_of_equities(robot_account_);
}

Money TradingLoop::sum_of_equities(const Account& account) const {
    Money sum = 0;
    for (const std::uint32_t currency : report_currencies_) sum += account.equity(currency);
    return sum;
}

Money TradingLoop::equity_of(std::uint32_t currency) {
    value_all(true);
    return robot_account_.equity(currency);
}

Money TradingLoop::gained(std::uint32_t index) {
    value_all();
    const Account& account = robot_account_;
    Money sum = account.unrealized(index) + account.funding(index) + account.insurance(index) -
                account.fees(index) - account.liquidation_fees(index);
    for (const PositionSide side : {PositionSide::both, PositionSide::long_, PositionSide::short_})
        sum += account.position(index, side).realized;
    return sum;
}

// A deposit is no profit and a withdrawal no drawdown: the peak changes in proportion, as in a
// time-weighted return.
void TradingLoop::note_equity(Money equity) {
    if (const Money moved = moved_in(); moved != moved_) {
        const Money before = equity - (moved - moved_);
        if (before > 0)
            peak_ratio_ =
                static_cast<double>(std::max(equity_peak_, before)) / static_cast<double>(before);
        if (has_peak_) equity_peak_ = static_cast<Money>(static_cast<double>(equity) * peak_ratio_);
        moved_ = moved;
    }
    if (!has_peak_ || equity > equity_peak_) {
        equity_peak_ = equity;
        has_peak_ = true;
    }
    const Money earned = equity - moved_;
    earned_peak_ = std::max(earned_peak_.value_or(earned), earned);
    drawdown_max_ = std::max(drawdown_max_, *earned_peak_ - earned);
    if (equity_peak_ > 0) {
        const double ratio =
            static_cast<double>(equity_peak_ - equity) / static_cast<double>(equity_peak_);
        if (ratio > drawdown_max_ratio_) drawdown_max_ratio_ = ratio;
    }
}

void TradingLoop::sample(bool kept) {
    const Money value = worth();
    note_equity(value);
    Money balance = 0;
    for (const std::uint32_t currency : report_currencies_)
        balance += robot_account_.balance(currency);
    const std::string value_text = decimal_text(value, money_decimals);
    const std::string balance_text = decimal_text(balance, money_decimals);
    if (follows_ledger_ && sampled_ == 0)
        note(EventType::balance, 0,
             {{"equity", value_text},
              {"balance", balance_text},
              {"moved", decimal_text(moved_, money_decimals)},
              {"brought", decimal_text(*brought_, money_decimals)}});
    else if (moved_ == 0)
        note(EventType::balance, 0, {{"equity", value_text}, {"balance", balance_text}});
    else
        note(EventType::balance, 0,
             {{"equity", value_text},
              {"balance", balance_text},
              {"moved", decimal_text(moved_, money_decimals)}});
    for (const AccountMoney& each : account_money_)
        note(EventType::balance, 0,
             {{"account", each.account},
              {"currency", each.name},
              {"equity", decimal_text(robot_account_.equity(each.currency), money_decimals)},
              {"balance", decimal_text(robot_account_.balance(each.currency), money_decimals)}});
    if (sampled_++ % sample_stride_ != 0 && !kept) return;
    if (samples_.size() == samples_max) thin_samples();
    samples_.push_back({now_, value, balance, moved_});
    for (auto& instrument : instruments_) {
        sampled_prices_.push_back(static_cast<double>(instrument->value_doubled()) /
                                  (2 * instrument->price_scale));
        sampled_positions_.push_back(
            static_cast<double>(robot_account_.net_qty(instrument->index)) /
            instrument->size_scale);
    }
}

void TradingLoop::thin_samples() {
    const std::size_t rows = samples_.size();
    for (std::vector<double>* each : {&sampled_prices_, &sampled_positions_}) {
        const std::size_t width = each->size() / rows;
        for (std::size_t row = 0; row < rows; row += 2)
            std::copy_n(each->data() + row * width, width, each->data() + row / 2 * width);
        each->resize((rows + 1) / 2 * width);
    }
    for (std::size_t row = 0; row < rows; row += 2) samples_[row / 2] = samples_[row];
    samples_.resize((rows + 1) / 2);
    sample_stride_ *= 2;
}

void TradingLoop::widen_samples() {
    const std::size_t rows = samples_.size();
    if (rows == 0) return;
    for (std::vector<double>* each : {&sampled_prices_, &sampled_positions_}) {
        const std::size_t before = each->size() / rows;
        std::vector<double> wider(rows * (before + 1), 0.0);
        for (std::size_t row = 0; row < rows; ++row)
            std::copy_n(each->data() + row * before, before, wider.data() + row * (before + 1));
        *each = std::move(wider);
    }
}

Digest TradingLoop::action_hash() const {
    Sha256 copy = actions_hash_;
    return copy.finish();
}

Digest TradingLoop::state_hash(std::span<const std::byte> memory) const {
    Sha256 hash;
    for (const auto& instrument : instruments_) {
        for (const PositionSide side :
             {PositionSide::both, PositionSide::long_, PositionSide::short_}) {
            const Position& position = robot_account_.position(instrument->index, side);
            hash.update_number(position.qty);
            hash.update_number(position.cost);
            hash.update_number(position.realized);
        }
    }
    const auto currencies = std::max<std::uint32_t>(64, robot_account_.currency_count());
    for (std::uint32_t currency = 0; currency < currencies; ++currency)
        hash.update_number(robot_account_.balance(currency));
    for (const auto& [id, order] : orders_.working()) {
        hash.update_number(id);
        hash.update_number(static_cast<std::uint8_t>(order->state));
        hash.update_number(order->price);
        hash.update_number(order->size);
        hash.update_number(order->filled);
    }
    hash.update(memory.data(), memory.size());
    return hash.finish();
}

std::uint64_t TradingLoop::source_sequence(std::uint32_t source) const {
    return sources_[source].last_sequence;
}
std::uint32_t TradingLoop::source_crc(std::uint32_t source) const {
    return sources_[source].last_crc;
}

}  // namespace onetape
