//! The layer that `attach` puts in front of a layer, to learn which subscriber that one is in.

use std::sync::Arc;

use tracing::callsite::{Callsite, Identifier};
use tracing::field::FieldSet;
use tracing::level_filters::LevelFilter;
use tracing::metadata::Kind;
use tracing::span;
use tracing::subscriber::Interest;
use tracing::{Dispatch, Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Filter, Identity, Layer};
use tracing_subscriber::registry::{LookupSpan, Registry};

use crate::announcer::{Announcer, RouteId};
use crate::notice::TARGET;

type BoxedLayer<S> = Box<dyn Layer<S> + Send + Sync>;

/// `layer`, with one in front that changes nothing of what it gets and what it answers.
///
/// A layer of our own around it can't do that: whether a layer has per-layer filters goes through
/// `downcast_raw`, which is unsafe and so not for us to delegate. tracing-subscriber's `Layered`
/// delegates it, and joins what its two sides answer. Ours has to be the side that makes no
/// difference: beside per-layer filters, or a level, one with a per-layer filter of its own; beside
/// a layer without any a plain one, which can also be loaded later into a `reload::Layer`.
pub(crate) fn attach<L, S>(layer: L, announcer: &Arc<Announcer>) -> impl Layer<S>
where
    L: Layer<S>,
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    let route = Route {
        id: RouteId::next(),
        announcer: Arc::clone(announcer),
    };
    let front: BoxedLayer<S> = if layer.max_level_hint().is_some() || has_filters(&layer) {
        Box::new(route.with_filter(Neutral::new()))
    } else {
        Box::new(route)
    };
    front.and_then(layer)
}

/// Whether there is a per-layer filter somewhere in the layer: asked about an event, each one
/// leaves its interest with the thread, where the registry collects it.
fn has_filters<L, S>(layer: &L) -> bool
where
    L: Layer<S>,
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    let registry = FilteringRegistry::new();
    // What one filter leaves, and what it and those of the layer leave together.
    let together = |interest: Interest| {
        registry.collect(&EVENT);
        let other = Identity::new().with_filter(Says(interest));
        Layer::<S>::register_callsite(&other, &EVENT);
        layer.register_callsite(&EVENT);
        registry.collect(&EVENT)
    };
    !(together(Interest::never()).is_never() && together(Interest::always()).is_always())
}

/// A registry that has been told that there are per-layer filters.
struct FilteringRegistry(Registry);

impl FilteringRegistry {
    fn new() -> Self {
        let mut registry = Registry::default();
        registry.register_filter();
        FilteringRegistry(registry)
    }

    /// Takes what the filters have left with this thread.
    fn collect(&self, metadata: &'static Metadata<'static>) -> Interest {
        self.0.register_callsite(metadata)
    }
}

/// Hands the dispatch to the announcer, and notes which subscriber the thread is in.
struct Route {
    id: RouteId,
    announcer: Arc<Announcer>,
}

impl<S: Subscriber> Layer<S> for Route {
    fn on_register_dispatch(&self, subscriber: &Dispatch) {
        self.announcer.register(self.id, subscriber);
    }

    fn on_event(&self, _: &Event<'_>, _: Context<'_, S>) {
        self.id.pass();
    }

    // `FmtSpan` makes records of these, too.

    fn on_new_span(&self, _: &span::Attributes<'_>, _: &span::Id, _: Context<'_, S>) {
        self.id.pass();
    }

    fn on_enter(&self, _: &span::Id, _: Context<'_, S>) {
        self.id.pass();
    }

    fn on_exit(&self, _: &span::Id, _: Context<'_, S>) {
        self.id.pass();
    }

    fn on_close(&self, _: span::Id, _: Context<'_, S>) {
        self.id.pass();
    }
}

impl Drop for Route {
    fn drop(&mut self) {
        self.announcer.unregister(self.id);
    }
}

/// The per-layer filter that makes no difference to the others: it lets everything through, raises
/// no level, and has the interest that they have together.
struct Neutral(FilteringRegistry);

impl Neutral {
    fn new() -> Self {
        Neutral(FilteringRegistry::new())
    }
}

impl<S> Filter<S> for Neutral {
    fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        true
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        self.0.collect(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::OFF)
    }
}

/// A filter with this interest in everything.
struct Says(Interest);

impl<S> Filter<S> for Says {
    fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        true
    }

    fn callsite_enabled(&self, _: &'static Metadata<'static>) -> Interest {
        self.0.clone()
    }
}

/// An event that is only asked about.
static EVENT: Metadata<'static> = Metadata::new(
    "attach",
    TARGET,
    Level::ERROR,
    None,
    None,
    None,
    FieldSet::new(&[], Identifier(&Attach)),
    Kind::EVENT,
);

struct Attach;

impl Callsite for Attach {
    fn set_interest(&self, _: Interest) {}

    fn metadata(&self) -> &Metadata<'_> {
        &EVENT
    }
}
