//! `/api/v1/openapi.json`: the interface as an OpenAPI 3.1 document. Its schemas are those of docs/schema.json, made from the types that
//! are written.

use axum::response::Response;
use schemars::generate::SchemaSettings;
use serde_json::Value;
use utoipa::OpenApi;

use super::{
    answer::{Refusal, json, refusal},
    api::{self, EventsDocument},
    health, stream,
};
use crate::show;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "sctp-monitor",
        description = "What a running agent knows. All of it is read-only.",
    ),
    paths(
        api::status,
        api::associations,
        api::association,
        api::paths,
        api::findings,
        api::incidents,
        api::events,
        stream::events,
        openapi,
        health::metrics,
        health::healthz,
        health::readyz,
    ),
    components(schemas(Refusal))
)]
struct Interface;

/// This document.
#[utoipa::path(get, path = "/api/v1/openapi.json", tag = "api", responses(
    (status = 200, description = "An OpenAPI 3.1 document", content_type = "application/json"),
))]
pub(super) async fn openapi() -> Response {
    match document() {
        Ok(document) => json(&document),
        Err(error) => refusal(axum::http::StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

/// The document.
pub(super) fn document() -> serde_json::Result<Value> {
    let mut document = serde_json::to_value(Interface::openapi())?;
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
    });
    let mut generator = settings.for_serialize().into_generator();
    generator.subschema_for::<show::Document>();
    generator.subschema_for::<EventsDocument<'_>>();
    let schemas = &mut document["components"]["schemas"];
    for (name, schema) in generator.take_definitions(true) {
        schemas[name] = schema;
    }
    Ok(document)
}
