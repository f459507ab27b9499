//! One cause is one incident, however many associations feel it.

use sctp_monitor_lab::{Monitor, wait};
use serde_json::Value;

use crate::{
    scene::{Scene, patient},
    setup::SOON,
};

/// Reports of incidents with this status.
fn incidents(agent: &Monitor, status: &str) -> Vec<Value> {
    agent
        .events()
        .into_iter()
        .filter(|event| event["event"] == "incident" && event["status"] == status)
        .collect()
}

#[test]
fn two_hundred_associations_over_one_broken_link_are_one_incident() {
    const COUNT: u16 = 200;
    let scene = Scene::with(|client| client.associations(COUNT).rate(5.0), |server| server);
    assert_eq!(incidents(&scene.agent, "opened"), [Value::Null; 0]);
    scene.lab.path("path1").break_silently().unwrap();
    let whole = |event: &Value| event["members"] == COUNT && event["associations"] == COUNT;
    let incident = scene.agent.wait_for("incident", SOON, whole).unwrap();
    assert_eq!(incident["finding"], "path_down");
    let scope = &incident["scope"];
    assert_eq!(scope["kind"], "path", "{incident:#}");
    assert_eq!(scope["interface"], "path1");
    assert_eq!(scope["remote"], "10.1.1.2");
    for words in ["reason", "next"] {
        assert!(!incident[words].as_str().unwrap().is_empty(), "{incident:#}");
    }
    let members = scene
        .findings()
        .iter()
        .filter(|event| event["finding"] == "path_down" && event["incident"] == incident["incident"])
        .count();
    assert!(
        members >= usize::from(COUNT),
        "each member says which incident it belongs to: {members}"
    );

    scene.lab.path("path1").heal().unwrap();
    let closed = |event: &Value| event["status"] == "closed";
    let over = scene.agent.wait_for("incident", SOON, closed).unwrap();
    assert_eq!(over["incident"], incident["incident"]);
    wait::until(SOON, || scene.open_alarms().is_empty().then_some(())).unwrap();
    for status in ["opened", "closed"] {
        let reports = incidents(&scene.agent, status);
        assert_eq!(reports.len(), 1, "{status}: {reports:#?}");
    }
}

#[test]
fn the_death_of_a_peer_with_many_associations_is_one_incident() {
    const COUNT: u16 = 20;
    let scene = Scene::with(|client| patient(client).associations(COUNT), patient);
    for path in ["path1", "path2"] {
        scene.lab.path(path).link_down("hss").unwrap();
    }
    let whole = |event: &Value| event["finding"] == "peer_down" && event["associations"] == COUNT;
    let incident = scene.agent.wait_for("incident", SOON, whole).unwrap();
    assert_eq!(incident["scope"]["kind"], "peer", "{incident:#}");
    for path in ["path1", "path2"] {
        scene.lab.path(path).heal().unwrap();
    }
    let same = |event: &Value| event["status"] == "closed" && event["incident"] == incident["incident"];
    scene.agent.wait_for("incident", SOON, same).unwrap();
}

#[test]
fn a_later_failure_of_another_link_is_another_incident() {
    let scene = Scene::with(|client| client.associations(5), |server| server);
    let mut seen = Vec::new();
    for (round, path) in ["path1", "path2"].into_iter().enumerate() {
        scene.lab.path(path).break_silently().unwrap();
        let new = |event: &Value| event["members"] == 5 && !seen.contains(&event["incident"]);
        let incident = scene.agent.wait_for("incident", SOON, new).unwrap();
        seen.push(incident["incident"].clone());
        scene.lab.path(path).heal().unwrap();
        wait::until(SOON, || {
            (incidents(&scene.agent, "closed").len() > round).then_some(())
        })
        .unwrap();
    }
    assert_eq!(incidents(&scene.agent, "opened").len(), 2);
}
