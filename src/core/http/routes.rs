//! Which routes are there, and what lies around them? The one place where the layers are put
//! together.

use std::sync::Arc;

use axum::{Router, handler::Handler, middleware, routing::MethodRouter};

use super::{envelope, path, shield, unknown};
use crate::{
    App, catalog, config::Mode, devices, docs, events, exchange, health, inbox, logs, messages, metrics, otp, push,
    settings, users, webhooks,
};

/// Some routes, and their paths as written.
///
/// A path is whole (`/api/3rdparty/v1/devices/{id}`), in lower case, its parameters in braces.
#[derive(Debug)]
pub(crate) struct Routes {
    patterns: Vec<&'static str>,
    router: Router<Arc<App>>,
}

impl Routes {
    /// No routes.
    pub(crate) fn new() -> Self {
        Self {
            patterns: Vec::new(),
            router: Router::new(),
        }
    }

    /// Adds methods under one or more paths (aliases).
    pub(crate) fn at(mut self, paths: &[&'static str], methods: MethodRouter<Arc<App>>) -> Self {
        for path in paths {
            self.router = self.router.route(path, methods.clone());
            self.patterns.push(path);
        }
        self
    }

    /// Adds other routes.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.patterns.extend(other.patterns);
        self.router = self.router.merge(other.router);
        self
    }
}

/// What a worker process answers: health and metrics, and 404 to everything else.
pub(crate) fn worker_router(app: Arc<App>) -> Router {
    wrapped(
        Routes::new().and(health::at_root()).and(metrics::routes()),
        unknown::nowhere,
        app,
    )
}

/// The whole of the HTTP side.
pub(crate) fn router(app: Arc<App>) -> Router {
    let routes = Routes::new()
        .and(messages::routes())
        .and(events::routes())
        .and(devices::routes())
        .and(users::routes())
        .and(exchange::routes())
        .and(otp::routes())
        .and(settings::routes())
        .and(webhooks::routes())
        .and(inbox::routes())
        .and(logs::routes())
        .and(health::routes())
        .and(metrics::routes())
        .and(catalog::routes())
        .and(match app.config.gateway.mode {
            Mode::Public => push::routes(),
            Mode::Private => Routes::new(),
        })
        .and(if app.config.http.openapi {
            docs::routes()
        } else {
            Routes::new()
        });
    wrapped(routes, unknown::unknown, app)
}

fn wrapped<H, T>(routes: Routes, unknown: H, app: Arc<App>) -> Router
where
    H: Handler<T, Arc<App>>,
    T: 'static,
{
    let patterns = path::Patterns::new(&routes.patterns);

    let inner = routes
        .router
        .route_layer(middleware::from_fn_with_state(Arc::clone(&app), metrics::measure))
        .method_not_allowed_fallback(unknown.clone())
        .fallback(unknown)
        .with_state(Arc::clone(&app));

    // The path has to be canonical before routing starts: the outer router has no routes.
    Router::new()
        .fallback_service(inner)
        .layer(middleware::from_fn_with_state(Arc::new(patterns), path::canonicalise))
        .layer(middleware::from_fn(shield::shield))
        .layer(middleware::from_fn_with_state(app, envelope::wrap))
        .layer(middleware::from_fn(envelope::refuse_at_the_door))
}
