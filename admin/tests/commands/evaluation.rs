//! Error rates, on a handful of photographs: that they are counted, told and written.

use std::fs;
use std::path::Path;

use crate::enrolment::record;
use crate::{Said, Terminal, doorctl, equipped, photo};

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
    let usual = ["evaluate", "pad", "--bona-fide", &live, "--attack", &print, "--attack", &screen];
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
    assert!(fs::read_to_string(&html).unwrap().contains("APCER"));
    let beside: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(html.replace(".html", ".json")).unwrap()).unwrap();
    assert_eq!(beside, json, "the same figures lie beside the page");
    let said = doorctl(&["evaluate", "pad", "--bona-fide", &live, "--attack", "print"]).with(1);
    assert!(said.err.contains("SPECIES=DIR"), "{}", said.err);
}

/// A report as `evaluate pad` writes it.
fn report(folder: &Path, name: &str, figures: &[(&str, u64, u64)]) -> String {
    let figure = |(name, errors, trials): &(&str, u64, u64)| {
        let count = doorward_models::evaluation::Count { errors: *errors, trials: *trials };
        doorward_models::evaluation::Figure::counted(*name, count)
    };
    let figures: Vec<_> = figures.iter().map(figure).collect();
    let text =
        serde_json::json!({"report": "pad", "model": name, "data": "d", "more": 1, "figures": figures});
    let path = folder.join(name);
    fs::write(&path, text.to_string()).unwrap();
    path.display().to_string()
}

#[test]
fn a_worse_report_is_refused_in_words_and_by_the_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let old = report(folder.path(), "old.json", &[("APCER print", 1, 1000), ("BPCER", 10, 1000)]);
    let worse = report(folder.path(), "worse.json", &[("APCER print", 30, 1000), ("BPCER", 1, 1000)]);
    let fewer = report(folder.path(), "fewer.json", &[("BPCER", 10, 1000)]);
    let same = doorctl(&["evaluate", "compare", &old, &old, "--all"]).with(0);
    assert!(same.out.contains("as before") && same.out.contains("0 worse"), "{}", same.out);
    let said = doorctl(&["evaluate", "compare", &old, &worse]);
    assert!(said.out.contains("better") && said.out.contains("30 of 1000"), "{}", said.out);
    said.refused(&["APCER print"]);
    doorctl(&["evaluate", "compare", &old, &fewer]).refused(&["APCER print"]);
    fs::write(folder.path().join("none.json"), "{}").unwrap();
    let none = folder.path().join("none.json").display().to_string();
    assert!(doorctl(&["evaluate", "compare", &old, &none]).with(1).err.contains("no JSON report"));
}

#[test]
fn figures_go_into_a_card_where_its_text_asks_for_them() {
    let folder = tempfile::tempdir().unwrap();
    let pad = report(folder.path(), "pad.json", &[("APCER print", 0, 104)]);
    let file = |name: &str| folder.path().join(name).display().to_string();
    fs::write(file("card.md"), "# A pack\n\n{{report:pad}}\n").unwrap();
    let card = file("CARD.md");
    doorctl(&["evaluate", "card", &file("card.md"), "--report", &pad, "--out", &card]).with(0);
    let text = fs::read_to_string(&card).unwrap();
    assert!(text.contains("| APCER print | 0 % | 0 to 2.84 % | 0 of 104 |"), "{text}");
}

#[test]
fn searches_and_groups_are_told_and_a_run_that_broke_off_goes_on() {
    if !equipped("an evaluation of searches") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    labelled(folder.path());
    fs::remove_file(folder.path().join("pairs.csv")).unwrap();
    let (set, journal) =
        (folder.path().display().to_string(), folder.path().join("journal").display().to_string());
    let usual = ["evaluate", "identify", &set, "--enrol", "1,2", "--json", "--journal", &journal];
    let json = doorctl(&usual).with(0).json();
    let trials = json["trials"].as_array().unwrap();
    assert_eq!(trials.len(), 3, "one picture, the best of two, their mean: {json}");
    for trial in trials {
        assert_eq!((&trial["persons"], &trial["mated_searches"]), (&2.into(), &2.into()), "{trial}");
        assert_eq!((&trial["stranger_searches"], &trial["failures"][1]), (&1.into(), &1.into()), "{trial}");
        assert_eq!(trial["rank_one_errors"]["errors"], 0, "{trial}");
        assert_eq!(trial["at_policy"][1]["fpir_count"]["errors"], 0, "{trial}");
    }
    // A run that was killed while it wrote has half a line at the end; the next one asks only what is missing.
    let kept = fs::read_to_string(&journal).unwrap();
    fs::write(&journal, &kept[..kept.len() - 40]).unwrap();
    assert_eq!(doorctl(&usual).with(0).json(), json);

    let names = ["20_0_0_a.jpg", "25_1_2_b.jpg", "61_0_3_c.jpg", "7_1_1_d.jpg"];
    let faces = folder.path().join("faces");
    fs::create_dir(&faces).unwrap();
    for (name, photo_of) in
        names.iter().zip(["ageitgey_biden.jpg", "deepface_img1.jpg", "ageitgey_obama.jpg"])
    {
        fs::copy(photo(photo_of), faces.join(name)).unwrap();
    }
    fs::write(faces.join(names[3]), "no picture").unwrap();
    let html = folder.path().join("quality.html").display().to_string();
    let told = ["evaluate", "quality", &faces.display().to_string(), "--json", "--html", &html];
    let json = doorctl(&told).with(0).json();
    let cohorts = json["cohorts"].as_array().unwrap();
    let cohort = |label: &str| cohorts.iter().find(|c| c["label"] == label).unwrap();
    assert_eq!(cohort("everybody")["undetected"], serde_json::json!({"errors": 1, "trials": 4}));
    assert_eq!(cohort("male")["undetected"]["trials"], 2);
    assert_eq!(cohort("06-12")["undetected"]["errors"], 1);
    assert_eq!(
        cohort("everybody")["false_matches"][1]["count"],
        serde_json::json!({"errors": 0, "trials": 3})
    );
    assert!(fs::read_to_string(html).unwrap().contains("20-39"));
}

#[test]
fn p4_recordings_are_judged_by_every_sensor_they_hold() {
    if !equipped("an evaluation of recordings") {
        return;
    }
    let terminal = Terminal::new();
    // The same colour pictures both times; only infrared knows that one of them is a screen.
    let live = record(&terminal, "live", "image_T1.jpg", None);
    let screen = format!("screen={}", record(&terminal, "screen", "image_T1.jpg", Some(2)));
    let pad =
        ["evaluate", "pad", "--level", "convenience", "--bona-fide", &live, "--attack", &screen, "--json"];
    let json = doorctl(&pad).with(0).json();
    assert_eq!(json["bpcer_count"], serde_json::json!({"errors": 0, "trials": 1}), "{json}");
    assert_eq!(json["species"][0]["apcer_count"], serde_json::json!({"errors": 0, "trials": 1}), "{json}");
    assert_eq!(json["rejects"]["not_live"], 5, "{json}");
}
