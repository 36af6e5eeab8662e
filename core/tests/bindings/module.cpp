#include "tests/bindings/bind.hpp"

NB_MODULE(core_tested, m) {
    m.doc() = "Parts of onetape's core that only its tests call, one step at a time.";
    nb::module_::import_("onetape._core");  // for the types that these take and return
    bind_bars(m);
    bind_merge(m);
    bind_recorded(m);
    bind_rules(m);
}
