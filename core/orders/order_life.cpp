#include "orders/order_life.hpp"

#include <algorithm>
#include <limits>
#include <string_view>

namespace onetape::order_machine {
namespace {

// One line for each state, one word for each event in the order of OrderAct: own requests | accept
// reject trigger | fills | cancel | amend | expire, venue cancel | query | duplicate. Four letters
// are the state that begins with them; "wait" and "upd" are pending_cancel and pending_update; "."
// is same, "!" impossible, "no" refused.
constexpr std::string_view rows = R"(
                  sub  deny cxl  amd  | acc  rej  trg  | part full over | cxl+ cxl- | amd+ amd- | exp  vcx  | lost miss here gone | dup
INITIALIZED     : SUBM DENI CANC no   | !    !    !    | !    !    !    | !    !    | !    !    | !    !    | !    !    !    !    | !
SUBMITTED       : !    DENI wait upd  | ACCE REJE TRIG | PART FILL FILL | CANC .    | OPEN .    | EXPI CANC | UNKN UNKN ACCE GONE | .
ACCEPTED        : !    !    wait upd  | .    REJE TRIG | PART FILL FILL | CANC .    | OPEN .    | EXPI CANC | .    UNKN .    UNKN | .
PARTIALLY_FILLED: !    !    wait upd  | .    !    .    | .    FILL FILL | CANC .    | OPEN .    | EXPI CANC | .    UNKN .    UNKN | .
FILLED          : !    !    no   no   | .    !    .    | LATE LATE LATE | .    .    | .    .    | .    .    | .    .    .    .    | .
PENDING_CANCEL  : !    DENI no   no   | .    REJE .    | .    FILL FILL | CANC OPEN | OPEN OPEN | EXPI CANC | UNKN UNKN .    GONE | .
CANCELED        : !    !    no   no   | .    !    .    | LATE FILL LATE | .    .    | .    .    | .    .    | .    .    .    .    | .
PENDING_UPDATE  : !    DENI wait no   | .    REJE .    | .    FILL FILL | CANC .    | OPEN OPEN | EXPI CANC | UNKN UNKN .    GONE | .
REJECTED        : !    !    no   no   | .    .    .    | LATE LATE LATE | !    .    | !    .    | !    !    | .    .    !    .    | .
DENIED          : !    .    no   no   | !    !    !    | !    !    !    | !    !    | !    !    | !    !    | .    .    !    .    | !
EXPIRED         : !    !    no   no   | .    !    .    | LATE FILL LATE | .    .    | .    .    | .    .    | .    .    .    .    | .
TRIGGERED       : !    !    wait upd  | .    REJE .    | PART FILL FILL | CANC .    | OPEN .    | EXPI CANC | .    UNKN .    UNKN | .
UNKNOWN         : !    DENI .    no   | OPEN REJE OPEN | OPEN FILL FILL | CANC OPEN | OPEN OPEN | EXPI CANC | .    .    OPEN GONE | .
)";

constexpr std::string_view state_names[] = {
    "",       "INITIALIZED",    "SUBMITTED", "ACCEPTED",       "PARTIALLY_FILLED",
    "FILLED", "PENDING_CANCEL", "CANCELED",  "PENDING_UPDATE", "REJECTED",
    "DENIED", "EXPIRED",        "TRIGGERED", "UNKNOWN"};

consteval std::uint8_t number_of(OrderState state) {
    return static_cast<std::uint8_t>(state);
}

consteval std::uint8_t number_of(std::string_view word) {
    struct Word {
        std::string_view word;
        std::uint8_t cell;
    };
    constexpr Word words[] = {
        {".", static_cast<std::uint8_t>(OrderCell::same)},
        {"!", static_cast<std::uint8_t>(OrderCell::impossible)},
        {"no", static_cast<std::uint8_t>(OrderCell::refused)},
        {"OPEN", static_cast<std::uint8_t>(OrderCell::open)},
        {"GONE", static_cast<std::uint8_t>(OrderCell::gone)},
        {"LATE", static_cast<std::uint8_t>(OrderCell::late)},
        {"wait", number_of(OrderState::pending_cancel)},
        {"upd", number_of(OrderState::pending_update)},
    };
    for (const Word& each : words)
        if (each.word == word) return each.cell;
    for (std::size_t state = 1; state < order_state_rows; ++state)
        if (word.size() == 4 && state_names[state].starts_with(word))
            return static_cast<std::uint8_t>(state);
    throw "a word of the table is not known";
}

// A table with a word too many, or too few, does not compile.
consteval Matrix parse(std::string_view text) {
    Matrix matrix{};
    matrix.fill(static_cast<std::uint8_t>(OrderCell::impossible));
    text.remove_prefix(text.find('\n', 1) + 1);
    for (std::size_t state = 1; state < order_state_rows; ++state) {
        std::string_view line = text.substr(0, text.find('\n'));
        text.remove_prefix(line.size() + 1);
        if (!line.starts_with(state_names[state])) throw "a row of the table is out of order";
        line.remove_prefix(line.find(':') + 1);
        std::size_t act = 0;
        while (!line.empty()) {
            const std::size_t end = std::min(line.find(' '), line.size());
            const std::string_view word = line.substr(0, end);
            line.remove_prefix(std::min(end + 1, line.size()));
            if (word.empty() || word == "|") continue;
            matrix.at(state * order_act_columns + ++act) = number_of(word);
        }
        if (act + 1 != order_act_columns) throw "a row has not one cell for each event";
    }
    return matrix;
}

constexpr Matrix table = parse(rows);

// The state of an open order from its facts: the first that fits.
OrderState resolve_open(const OrderLife& life) noexcept {
    const bool is_lost = life.state == OrderState::unknown;
    if (life.filled >= life.size && !life.update_open) return OrderState::filled;
    if (life.cancel_open) return is_lost ? OrderState::unknown : OrderState::pending_cancel;
    if (life.update_open) return is_lost ? OrderState::unknown : OrderState::pending_update;
    if (life.filled > 0) return OrderState::partially_filled;
    if (life.triggered) return OrderState::triggered;
    if (life.accepted) return OrderState::accepted;
    return is_lost ? OrderState::unknown : OrderState::submitted;
}

void learn(OrderLife& life, OrderAct act, std::int64_t size) noexcept {
    switch (act) {
        case OrderAct::accept:
            life.accepted = true;
            break;
        case OrderAct::trigger:
            life.accepted = life.triggered = true;
            break;
        case OrderAct::cancel_request:
            life.cancel_open = true;
            break;
        case OrderAct::cancel_reject:
            life.cancel_open = false;
            break;
        case OrderAct::amend_request:
            life.update_open = true;
            life.size_wanted = size;
            break;
        case OrderAct::amend_ack:
            life.accepted = true;
            life.update_open = false;
            life.size_wanted = 0;
            if (size != 0 && !life.closed()) life.size = size;
            break;
        case OrderAct::amend_reject:
            life.update_open = false;
            life.size_wanted = 0;
            break;
        case OrderAct::found_working:
            life.accepted = true;
            if (life.state != OrderState::unknown) break;
            life.cancel_open = life.update_open = false;
            life.size_wanted = 0;
            if (size != 0) life.size = size;
            break;
        default:
            break;
    }
}

// Saturates at the greatest number: a venue may report anything.
std::int64_t filled_then(const OrderLife& life, std::int64_t size) noexcept {
    std::int64_t total = 0;
    return __builtin_add_overflow(life.filled, size, &total)
               ? std::numeric_limits<std::int64_t>::max()
               : total;
}

void enter(OrderLife& life, OrderCell cell) noexcept {
    if (is_state(cell))
        life.state = static_cast<OrderState>(cell);
    else if (cell == OrderCell::open)
        life.state = resolve_open(life);
    else if (cell == OrderCell::gone)  // proven to have ended
        life.state = life.accepted ? OrderState::canceled : OrderState::rejected;
    if (life.closed()) life.cancel_open = life.update_open = false;
}

}  // namespace

const Matrix& matrix() noexcept {
    return table;
}

OrderCell cell_of(OrderState state, OrderAct act) noexcept {
    return static_cast<OrderCell>(
        table[static_cast<std::size_t>(state) * order_act_columns + static_cast<std::size_t>(act)]);
}

OrderCell take(OrderLife& life, OrderAct act, std::int64_t size) noexcept {
    const OrderCell cell = cell_of(life.state, act);
    if (cell == OrderCell::impossible || cell == OrderCell::refused) return cell;
    learn(life, act, size);
    enter(life, cell);
    return cell;
}

OrderAct act_of_fill(const OrderLife& life, std::int64_t size) noexcept {
    const std::int64_t total = filled_then(life, size);
    // While an amendment of the quantity is unanswered, the larger one counts.
    const std::int64_t bound = life.update_open ? std::max(life.size, life.size_wanted) : life.size;
    if (total < bound) return OrderAct::fill_partial;
    return total == bound ? OrderAct::fill_full : OrderAct::fill_excess;
}

OrderCell fill(OrderLife& life, std::int64_t size) noexcept {
    const OrderCell cell = cell_of(life.state, act_of_fill(life, size));
    if (cell == OrderCell::impossible) return cell;
    life.filled = filled_then(life, size);
    life.accepted = true;
    // The fill proves an unanswered amendment.
    if (life.size < life.filled && life.filled <= life.size_wanted) life.size = life.size_wanted;
    enter(life, cell);
    return cell;
}

bool sends(const OrderLife& life, OrderAct act) noexcept {
    if (life.state == OrderState::unknown) return act == OrderAct::cancel_request;
    return is_unanswered(static_cast<OrderState>(cell_of(life.state, act)));
}

}  // namespace onetape::order_machine
