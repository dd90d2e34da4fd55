//! The figures, and the pages about them and about the paths.

use std::path::Path;

use access::Action;

use crate::support::{Api, get, scope};

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

#[tokio::test]
async fn figures_name_nobody_to_strangers() {
    let figures = "# TYPE x counter\nx_total{org=\"k3f9\",app=\"web\"} 1\nx_total{org=\"m7x2\",app=\"shop\"} 2\n# EOF\n";
    let api =
        Api::start_with(Vec::new(), |config| config.figures = Some(Box::new(|| figures.to_owned()))).await;
    let summed = "# TYPE x counter\nx_total 3\n# EOF\n";
    let ask = get("/metrics");
    assert_eq!(api.send(ask.as_bytes()).await.body, summed);
    let reader = api.world.token_for("k3f9", &scope(&[], &[Action::Read]));
    assert_eq!(api.ask_as(&reader, &ask).await.body, summed);
    let own = api.ask(&ask).await.body;
    assert_eq!(own, "# TYPE x counter\nx_total{org=\"k3f9\",app=\"web\"} 1\n# EOF\n");
    assert_eq!(api.ask_as("lw1_x", &ask).await.status, 401);
    api.stop().await;
}
