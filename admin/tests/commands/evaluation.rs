//! Error rates, on a handful of photographs: that they are counted, told and written.

use std::fs;
use std::path::Path;

use crate::{Said, doorctl, equipped, photo};

/// Photographs of three persons in folders of their own, and the list of all their pairs.
fn labelled(folder: &Path) -> String {
    let sets: [(&str, &[&str]); 3] = [
        ("ann", &["ageitgey_obama.jpg", "ageitgey_obama2.jpg", "ageitgey_obama3.jpg"]),
        ("bob", &["deepface_img1.jpg", "deepface_img2.jpg", "deepface_img7.jpg"]),
        ("cy", &["ageitgey_biden.jpg"]),
    ];
    let mut images = Vec::new();
    for (person, names) in sets {
        fs::create_dir(folder.join(person)).unwrap();
        for name in names {
            fs::copy(photo(name), folder.join(person).join(name)).unwrap();
            images.push((person, format!("{person}/{name}")));
        }
    }
    fs::write(folder.join("cy/empty.png"), "no picture").unwrap();
    images.push(("cy", "cy/empty.png".to_owned()));
    let mut list = String::from("image_a,image_b,same_person\n");
    for (i, (person, image)) in images.iter().enumerate() {
        for (other, against) in &images[i + 1..] {
            list += &format!("\"{image}\",{against},{}\n", u8::from(person == other));
        }
    }
    fs::write(folder.join("pairs.csv"), list).unwrap();
    folder.join("pairs.csv").display().to_string()
}

fn evaluate(folder: &Path, list: &str, more: &[&str]) -> Said {
    let images = folder.display().to_string();
    doorctl(&[&["evaluate", "pairs", list, "--images", &images, "--json"], more].concat())
}

#[test]
fn pairs_are_counted_told_and_written() {
    if !equipped("an evaluation of pairs") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let list = labelled(folder.path());
    let file = |name: &str| folder.path().join(name).display().to_string();
    let (html, table) = (file("report.html"), file("table.toml"));
    let more = ["--html", &html, "--calibration", &table, "--all-impostors", "--data", "a handful"];
    let json = evaluate(folder.path(), &list, &more).with(0).json();
    assert_eq!(json["genuine_comparisons"], 6);
    assert_eq!(json["impostor_comparisons"], 15);
    assert_eq!(
        (&json["samples"], &json["failures_to_acquire"]),
        (&8.into(), &1.into()),
        "one file is no picture"
    );
    assert_eq!((&json["uncompared_genuine"], &json["uncompared_impostor"]), (&1.into(), &6.into()));
    assert_eq!((&json["persons"], &json["data"]), (&3.into(), &"a handful".into()));
    assert_eq!(json["eer"], 0.0, "three persons are told apart");
    for field in ["fnmr_at_fmr_1e-3", "fnmr_at_fmr_1e-4"] {
        assert!(json[field].is_number() && json[format!("{field}_interval")].is_array(), "{field}");
        assert_eq!(json[format!("{field}_supported")], false, "15 impostors cannot speak of it");
    }
    assert_eq!(json["all_impostors"]["impostor_comparisons"], 15, "no picture is compared twice");
    assert!(fs::read_to_string(html).unwrap().contains("a handful"));
    assert!(fs::read_to_string(table).unwrap().contains("comparisons = 15"));

    let again = evaluate(folder.path(), &list, &["--data", "a handful"]).with(0).json();
    assert_eq!(again["eer_interval"], json["eer_interval"], "the same seed, the same figures");
    let few = evaluate(folder.path(), &list, &["--limit", "2"]).with(0).json();
    let genuine = few["genuine_comparisons"].as_u64().unwrap() + few["uncompared_genuine"].as_u64().unwrap();
    assert_eq!(genuine, 2);
}

#[test]
fn h8_lists_that_lead_elsewhere_or_name_nothing_are_faults_with_their_line() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("pairs.csv");
    let fault = |row: &str, word: &str| {
        fs::write(&list, format!("image_a,image_b,same_person\n{row}\n")).unwrap();
        let said = evaluate(folder.path(), &list.display().to_string(), &[]).with(1);
        assert!(said.out.is_empty() && said.err.contains(word), "{}", said.err);
    };
    fault("../../etc/passwd,a.jpg,1", "line 2");
    fault("a.jpg,b.jpg,perhaps", "perhaps");
    if equipped("a list of missing pictures") {
        fault("a/none.jpg,b/none.jpg,0", "none.jpg");
    }
}

#[test]
fn p1_presentations_are_told_by_species_with_the_worst_one_named() {
    if !equipped("an evaluation of presentations") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let set = |kind: &str, names: &[&str]| {
        let path = folder.path().join(kind);
        fs::create_dir_all(&path).unwrap();
        for name in names {
            fs::copy(photo(name), path.join(name)).unwrap();
        }
        path.display().to_string()
    };
    let live = set(
        "live",
        &["vietmoney_true_001.jpg", "vietmoney_true_002.jpg", "vietmoney_true_003.png", "image_T1.jpg"],
    );
    let print = format!("print={}", set("print", &["image_F1.jpg", "image_F2.jpg"]));
    let screen = format!("screen={}", set("screen", &["vietmoney_fake_002.jpg", "vietmoney_fake_003.jpg"]));
    fs::write(folder.path().join("screen/nothing.png"), "no picture").unwrap();
    let html = folder.path().join("report.html").display().to_string();
    let usual = ["evaluate", "presentation", "--bona-fide", &live, "--attack", &print, "--attack", &screen];
    let json = doorctl(&[&usual[..], &["--window", "1", "--json", "--html", &html]].concat()).with(0).json();
    assert_eq!((&json["bpcer"], &json["bpcer_count"]["trials"]), (&0.0.into(), &4.into()), "{json}");
    let species: Vec<&str> =
        json["species"].as_array().unwrap().iter().map(|s| s["name"].as_str().unwrap()).collect();
    assert_eq!(species.len(), 2);
    assert_eq!(json["worst_species"], species[0]);
    for species in json["species"].as_array().unwrap() {
        assert_eq!(
            (&species["apcer"], &species["apcer_count"]["trials"]),
            (&0.0.into(), &2.into()),
            "{species}"
        );
        assert!(species["apcer_interval"][1].as_f64().unwrap() > 0.5, "two attacks prove little");
    }
    assert!(
        json["species"].as_array().unwrap().iter().any(|s| s["non_responses"] == 1),
        "no picture, no response"
    );
    assert!(fs::read_to_string(html).unwrap().contains("APCER"));
    let said = doorctl(&["evaluate", "presentation", "--bona-fide", &live, "--attack", "print"]).with(1);
    assert!(said.err.contains("SPECIES=DIR"), "{}", said.err);
}
