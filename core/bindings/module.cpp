#include "bindings/bind.hpp"

NB_MODULE(_core, m) {
    m.doc() = "The compiled core of onetape: journal, state table, books, exchange, engine loop.";
    bind_events(m);
    bind_market(m);
    bind_state(m);
    bind_engine(m);
    bind_text(m);
    bind_journal(m);
}
