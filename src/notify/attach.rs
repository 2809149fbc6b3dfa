//! The layer that `attach` combines with a layer, to learn which subscriber that one is in.

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

use super::notice::TARGET;
use super::routes::RouteId;
use super::Notifier;

type BoxedLayer<S> = Box<dyn Layer<S> + Send + Sync>;

/// Combines `layer` with a [`NoticeLayer`] that changes nothing of what it receives and answers.
///
/// A layer of our own around it would change the level and the interest of the subscriber: other
/// layers ask with `downcast_raw` whether a layer has per-layer filters, and to delegate that takes
/// `unsafe`. tracing-subscriber's `Layered` delegates it, and counts as filtered if both of its sides
/// are. So the side that is ours has a per-layer filter where `layer` has one or a level, and takes a
/// filter id of the registry. Beside a layer without any it has none, and takes no id.
pub(crate) fn attach<L, S>(layer: L, notifier: &Arc<Notifier>) -> impl Layer<S>
where
    L: Layer<S>,
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    let front = NoticeLayer {
        id: RouteId::next(),
        notifier: Arc::clone(notifier),
    };
    let front: BoxedLayer<S> = if layer.max_level_hint().is_some() || has_filters(&layer) {
        Box::new(front.with_filter(PassthroughFilter::new()))
    } else {
        Box::new(front)
    };
    front.and_then(layer)
}

/// Returns true if there is a per-layer filter somewhere in `layer`: each one, asked about an event,
/// leaves its interest in a thread-local variable, which a registry collects.
fn has_filters<L, S>(layer: &L) -> bool
where
    L: Layer<S>,
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    let registry = FilteringRegistry::new();
    // The interest of one more filter and of those in the layer together.
    let together = |interest: Interest| {
        registry.collect(&EVENT);
        let other = Identity::new().with_filter(ConstInterest(interest));
        Layer::<S>::register_callsite(&other, &EVENT);
        layer.register_callsite(&EVENT);
        registry.collect(&EVENT)
    };
    !(together(Interest::never()).is_never() && together(Interest::always()).is_always())
}

/// A registry that expects per-layer filters.
struct FilteringRegistry(Registry);

impl FilteringRegistry {
    fn new() -> Self {
        let mut registry = Registry::default();
        registry.register_filter();
        FilteringRegistry(registry)
    }

    /// Takes the interest that the filters have left on this thread.
    fn collect(&self, metadata: &'static Metadata<'static>) -> Interest {
        self.0.register_callsite(metadata)
    }
}

/// Hands the dispatch to the notifier, and notes which subscriber the thread is in.
///
/// On a thread, each method runs before the one of the layer that it is combined with.
struct NoticeLayer {
    id: RouteId,
    notifier: Arc<Notifier>,
}

impl<S: Subscriber> Layer<S> for NoticeLayer {
    fn on_register_dispatch(&self, subscriber: &Dispatch) {
        self.notifier.register(self.id, subscriber);
    }

    fn on_event(&self, _: &Event<'_>, _: Context<'_, S>) {
        self.id.pass();
    }

    // With `FmtSpan`, `fmt` writes records for these too.

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

impl Drop for NoticeLayer {
    fn drop(&mut self) {
        self.notifier.unregister(self.id);
    }
}

/// The per-layer filter that makes no difference to others: it enables everything, raises no level,
/// and has the interest that the others have together.
struct PassthroughFilter(FilteringRegistry);

impl PassthroughFilter {
    fn new() -> Self {
        PassthroughFilter(FilteringRegistry::new())
    }
}

impl<S> Filter<S> for PassthroughFilter {
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

/// A filter with the same interest in everything.
struct ConstInterest(Interest);

impl<S> Filter<S> for ConstInterest {
    fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        true
    }

    fn callsite_enabled(&self, _: &'static Metadata<'static>) -> Interest {
        self.0.clone()
    }
}

/// An event for asking filters about; it is never emitted.
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
