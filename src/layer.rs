//! The layer that `attach` puts in front of a layer, to learn which subscriber that one is in.

use std::sync::Arc;

use tracing::level_filters::LevelFilter;
use tracing::span;
use tracing::subscriber::Interest;
use tracing::{Dispatch, Event, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Filter, Layer};
use tracing_subscriber::registry::LookupSpan;

use crate::notice::{Announcer, RouteId};

type BoxedLayer<S> = Box<dyn Layer<S> + Send + Sync>;

/// `layer`, with one in front that changes nothing of what it gets and what it answers.
///
/// A layer of our own around it can't do that: whether a layer has per-layer filters goes through
/// `downcast_raw`, which is unsafe and so not for us to delegate. tracing-subscriber's `Layered`
/// delegates it, and joins what its two sides answer. Ours has to be the side that makes no
/// difference, and for a layer with per-layer filters that is another one, which enables nothing.
/// The two are told apart by the level that the layer announces, which is the answer that would
/// change: a filter that announces none is as well off with the plain one.
pub(crate) fn attach<L, S>(layer: L, announcer: &Arc<Announcer>) -> impl Layer<S>
where
    L: Layer<S>,
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    let route = Route {
        id: RouteId::next(),
        announcer: Arc::clone(announcer),
    };
    let front: BoxedLayer<S> = match layer.max_level_hint() {
        None => Box::new(route),
        Some(_) => {
            let id = route.id;
            Box::new(route.with_filter(EnableNothing { id }))
        }
    };
    front.and_then(layer)
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

/// A per-layer filter for a [`Route`] beside layers with per-layer filters.
struct EnableNothing {
    id: RouteId,
}

impl<S> Filter<S> for EnableNothing {
    fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        self.id.pass();
        false
    }

    fn callsite_enabled(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::never()
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::OFF)
    }
}
