// Alerts, recording rules and the dashboard as a mixin (monitoring.mixins.dev). It is made of the same files that serve without jsonnet.
{
  prometheusAlerts+:: std.parseYaml(importstr '../prometheus/alerts.yaml'),
  prometheusRules+:: std.parseYaml(importstr '../prometheus/recording.yaml'),
  grafanaDashboards+:: {
    'sctp.json': import '../grafana/sctp.json',
  },
}
