#include <cstdlib>

#include "bindings/bind.hpp"

NB_MODULE(_core, m) {
    m.doc() = "The compiled core of onetape: journal, state table, books, exchange, engine loop.";
    // A strategy and its loop refer to each other; an interrupted run may end inside that cycle.
    // The tests switch the warnings on and break the cycle themselves.
    nb::set_leak_warnings(std::getenv("ONETAPE_LEAK_WARNINGS") != nullptr);
    bind_events(m);
    bind_market(m);
    bind_columns(m);
    bind_state(m);
    bind_models(m);
    bind_engine(m);
    bind_strategy_calls(m);
    bind_text(m);
    bind_text_messages(m);
    bind_journal(m);
    bind_exchange(m);
    bind_journal_columns(m);
    bind_journal_tools(m);
    bind_mirror(m);
    bind_counts(m);
    bind_client_ids(m);
    bind_orders(m);
    bind_reserves(m);
    bind_plain_fills(m);
    bind_plain_orders(m);
    bind_requests(m);
    bind_accounts(m);
    bind_signing(m);
    bind_scan(m);
    bind_merge(m);
    bind_wait(m);
}
