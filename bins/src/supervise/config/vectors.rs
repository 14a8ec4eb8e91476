//! What supervisord's own parser made of two hundred configurations, and what we make of them.

use std::collections::HashMap;

use tinyjson::JsonValue;

use super::dump::dump;
use super::load::World;
use super::testing::Directory;

const RECORDED: &str = include_str!("../../../../tests/data/supervisord-config.json");

fn text(value: &JsonValue) -> &str {
    value.get::<String>().unwrap()
}

fn members(value: &JsonValue) -> &HashMap<String, JsonValue> {
    value.get().unwrap()
}

/// The world of the recording.
fn world(recorded: &JsonValue) -> World {
    let env = members(&recorded["environment"]);
    World {
        env: env.iter().map(|(name, value)| (name.clone(), text(value).to_owned())).collect(),
        cwd: text(&recorded["cwd"]).into(),
        host_node_name: text(&recorded["host_node_name"]).to_owned(),
        uid: 0,
    }
}

/// Where two values differ, by path.
fn differences(path: &str, ours: &JsonValue, theirs: &JsonValue, found: &mut Vec<String>) {
    match (ours, theirs) {
        (JsonValue::Object(ours), JsonValue::Object(theirs)) => {
            let mut keys: Vec<&String> = ours.keys().chain(theirs.keys()).collect();
            keys.sort();
            keys.dedup();
            for key in keys {
                match (ours.get(key), theirs.get(key)) {
                    (Some(a), Some(b)) => differences(&format!("{path}.{key}"), a, b, found),
                    (a, b) => found.push(format!("{path}.{key}: {a:?} instead of {b:?}")),
                }
            }
        }
        (JsonValue::Array(ours), JsonValue::Array(theirs)) if ours.len() == theirs.len() => {
            for (at, (a, b)) in ours.iter().zip(theirs).enumerate() {
                differences(&format!("{path}[{at}]"), a, b, found);
            }
        }
        (a, b) if a == b => {}
        (a, b) => found.push(format!("{path}: {a:?} instead of {b:?}")),
    }
}

#[test]
fn every_vector_gives_the_recorded_result() {
    let recorded: JsonValue = RECORDED.parse().unwrap();
    let world = world(&recorded);
    let vectors: &Vec<JsonValue> = recorded["vectors"].get().unwrap();
    let (mut equal, mut wrong) = (0, Vec::new());
    for vector in vectors {
        let (name, result) = (text(&vector["name"]), members(&vector["result"]));
        let dir = Directory::new();
        for (file, content) in members(&vector["extra_files"]) {
            dir.write(file, text(content));
        }
        let ours = dir.load(text(&vector["config"]), &world);
        let mut found = Vec::new();
        match (&ours, result.get("error")) {
            (Err(ours), Some(theirs)) if ours == text(theirs) => {}
            (Ok(config), None) => {
                let ours: JsonValue = dir.hide(&dump(config)).parse().unwrap();
                differences("", &ours, &vector["result"], &mut found);
            }
            (ours, theirs) => found.push(format!("{ours:?} instead of {theirs:?}")),
        }
        if found.is_empty() {
            equal += 1;
        } else {
            wrong.push(format!("{name}: {}", found.join("; ")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!((equal, vectors.len()), (205, 205));
}
