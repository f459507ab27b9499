//! Whether what was reported agrees with what was written down.

use serde_json::Value as Json;
use toml::Value;

/// Where `reported` differs from `expected`, if it does.
pub(crate) fn difference(expected: &Value, reported: &Json) -> Option<String> {
    if agrees(expected, reported) {
        return None;
    }
    let Value::Table(keys) = expected else {
        return Some(format!("{reported} instead of {expected}"));
    };
    let differing = |(key, expected): (&String, &Value)| {
        difference(expected, &reported[key.as_str()]).map(|difference| format!("{key}: {difference}"))
    };
    Some(keys.iter().filter_map(differing).collect::<Vec<_>>().join("; "))
}

fn agrees(expected: &Value, reported: &Json) -> bool {
    match expected {
        Value::Table(keys) => keys.iter().all(|(key, value)| agrees(value, &reported[key])),
        Value::Array(range) if is_range(range) && reported.is_number() => {
            let number = reported.as_f64();
            number >= range.first().and_then(number_of) && number <= range.last().and_then(number_of)
        }
        Value::Array(elements) => reported.as_array().is_some_and(|reported| {
            elements
                .iter()
                .all(|expected| reported.iter().any(|reported| agrees(expected, reported)))
        }),
        Value::String(text) if text == "null" => reported.is_null(),
        Value::String(text) => match text.strip_prefix('~') {
            Some(part) => reported.as_str().is_some_and(|reported| reported.contains(part)),
            None => reported.as_str() == Some(text),
        },
        Value::Boolean(value) => reported.as_bool() == Some(*value),
        Value::Integer(_) | Value::Float(_) => reported.as_f64() == number_of(expected),
        Value::Datetime(time) => reported.as_str() == Some(&time.to_string()),
    }
}

fn is_range(values: &[Value]) -> bool {
    values.len() == 2 && values.iter().all(|value| number_of(value).is_some())
}

fn number_of(value: &Value) -> Option<f64> {
    value
        .as_float()
        .or(value.as_integer().map(|number| number as f64))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn differs(expected: &str, reported: &Json) -> bool {
        difference(&Value::Table(toml::from_str(expected).unwrap()), reported).is_some()
    }

    #[test]
    fn an_object_may_say_more_and_not_less() {
        assert!(!differs("a = 1", &json!({ "a": 1, "b": 2 })));
        assert!(differs("a = 1", &json!({ "a": 2 })));
        assert!(differs("a = 1", &json!({ "b": 1 })));
        assert!(differs("a = false", &json!({})));
        assert!(differs("a = { b = 1 }", &json!({ "a": 1 })));
    }

    #[test]
    fn numbers_lie_in_ranges_and_texts_in_texts() {
        assert!(!differs("a = [1, 2.5]", &json!({ "a": 2.5 })));
        assert!(differs("a = [1, 2.5]", &json!({ "a": 2.6 })));
        assert!(differs("a = [1, 2.5]", &json!({ "a": null })));
        assert!(!differs("a = '~es'", &json!({ "a": "yes" })));
        assert!(differs("a = 'es'", &json!({ "a": "yes" })));
        assert!(!differs("a = 'null'", &json!({})));
        assert!(differs("a = 'null'", &json!({ "a": 0 })));
    }

    #[test]
    fn every_element_that_is_named_is_there() {
        let reported = json!({ "a": [{ "x": 1, "y": 1 }, { "x": 2 }] });
        assert!(!differs("a = [{ x = 2 }, { x = 1 }]", &reported));
        assert!(differs("a = [{ x = 2, y = 1 }]", &reported));
        assert!(differs("a = [{ x = 3 }]", &reported));
    }
}
