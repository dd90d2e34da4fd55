//! The figures, and the pages about them and about the paths.

use std::path::Path;

use crate::support::{Api, get};

fn page(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name)).unwrap()
}

#[tokio::test]
async fn every_figure_is_on_the_page_and_no_other() {
    let api =
        Api::start_with(Vec::new(), |config| config.figures = Some(Box::new(|| "# EOF\n".into()))).await;
    // It runs when it has answered.
    assert_eq!(api.send(get("/metrics").as_bytes()).await.body, "# EOF\n");
    let text = api.figures.text();
    let mut found: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let page = page("metrics.md");
    let mut told: Vec<&str> =
        page.split('`').filter(|word| word.starts_with("logway_api_") && !word.contains(' ')).collect();
    for list in [&mut found, &mut told] {
        list.sort_unstable();
        list.dedup();
    }
    assert_eq!(found, told);
    api.stop().await;
}

#[tokio::test]
async fn every_path_of_the_page_is_there() {
    let api = Api::start(Vec::new()).await;
    let page = page("http.md");
    let paths: Vec<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .filter(|path| path.starts_with('/'))
        .collect();
    assert!(paths.len() > 10, "{paths:?}");
    for path in paths {
        let answered = api.ask(&get(&format!("{path}?query=*|stats+count()&field=app"))).await;
        assert!(!answered.body.contains("unsupported path"), "{path}");
    }
    api.stop().await;
}
