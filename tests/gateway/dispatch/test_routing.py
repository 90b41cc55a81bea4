"""Aliases, retired models and fallbacks."""

from hypothesis import given
from hypothesis import strategies as st

from chappe.gateway.dispatch import CatalogueView, ModelView, resolve

VIEW = CatalogueView.of(
    (
        ModelView("small", aliases=("default", "large"), fallbacks=("large", "old", "none")),
        ModelView("large", fallbacks=("small",)),
        ModelView("old", status="retired", replacement="older"),
        ModelView("older", status="retired", replacement="small"),
        ModelView("ageing", status="deprecated"),
        ModelView("loop", status="retired", replacement="loop"),
        ModelView("orphan", status="retired"),
    )
)


def test_names_aliases_and_fallbacks() -> None:
    assert resolve("default", VIEW).models == ("small", "large")
    # A model's own name wins over another's alias.
    assert resolve("large", VIEW).models == ("large", "small")
    assert resolve("absent", VIEW).models == ()


def test_retired_models_lead_to_their_replacement_with_a_warning() -> None:
    route = resolve("old", VIEW)
    assert route.models == ("small", "large")
    assert route.replaced == "old"
    assert resolve("ageing", VIEW).replaced == "ageing"
    assert resolve("small", VIEW).replaced is None
    assert resolve("loop", VIEW).models == ()
    assert resolve("orphan", VIEW).models == ()


names = st.sampled_from(["a", "b", "c", "d"])
models = st.builds(
    ModelView,
    names,
    st.tuples(names),
    st.sampled_from(["active", "deprecated", "retired"]),
    st.none() | names,
    st.lists(names, max_size=3).map(tuple),
)


@given(st.lists(models, max_size=6), names)
def test_any_catalogue_gives_a_route_of_usable_models(found: list[ModelView], name: str) -> None:
    view = CatalogueView.of(tuple(found))
    route = resolve(name, view)
    assert len(set(route.models)) == len(route.models)
    assert all(view.models[model].status != "retired" for model in route.models)
