//! Holds what is written as JSON to the schema and to the types.

use serde_json::Value;

/// Checks against one of the definitions in the schema that is checked in.
pub(crate) struct Validator(jsonschema::Validator);

impl Validator {
    /// Of a definition.
    pub(crate) fn of(definition: &str) -> Self {
        let text =
            std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/schema.json")).unwrap();
        let mut schema: Value = serde_json::from_str(&text).unwrap();
        let object = schema.as_object_mut().unwrap();
        object.remove("anyOf");
        assert!(
            object["$defs"].get(definition).is_some(),
            "no {definition} in the schema"
        );
        object.insert("$ref".to_owned(), format!("#/$defs/{definition}").into());
        Self(jsonschema::validator_for(&schema).unwrap())
    }

    /// Panics with what does not fit.
    pub(crate) fn assert_holds(&self, value: &Value) {
        let errors: Vec<_> = self.0.iter_errors(value).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{errors:#?} in {value:#}");
    }
}

/// What is read into the types and written again is the same: nothing is in it that the types do not have.
pub(crate) fn assert_reads_back<T: serde::Serialize + serde::de::DeserializeOwned>(value: &Value) {
    let read: T = serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{error}: {value:#}"));
    assert_eq!(serde_json::to_value(&read).unwrap(), *value);
}
