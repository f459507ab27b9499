//! Answers: JSON, and what is said in place of it.

use axum::{
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::known::NoAnswer;

/// Said in place of an answer.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Refusal {
    /// Why, in words.
    pub(super) error: String,
}

/// Why there is no answer.
pub(super) fn refusal(status: StatusCode, error: &str) -> Response {
    let refusal = Refusal {
        error: error.to_owned(),
    };
    (status, json(&refusal)).into_response()
}

/// A document.
pub(super) fn json(document: &impl Serialize) -> Response {
    match serde_json::to_vec(document) {
        Ok(mut text) => {
            text.push(b'\n');
            ([(header::CONTENT_TYPE, "application/json")], text).into_response()
        }
        Err(error) => {
            tracing::warn!("an answer cannot be written as JSON: {error}");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

impl NoAnswer {
    pub(super) fn refusal(self) -> Response {
        refusal(StatusCode::SERVICE_UNAVAILABLE, &self.to_string())
    }
}
