//! The business interface of the library, on a real queue.

use std::time::Duration;

use ireva_queue::service::{
    CalculationMethod, Channel, Distribution, Export, FilterValue, Import, ImportMode, Notification, Override,
    QueueService, Recipient, Recipients, Report, ReportFormat, ReportParameters, ReportType, TableFormat, Target,
};
use ireva_queue::{ErrorKind, Inspector, JobId, JobState, NewJob, Priority};
use serde_json::{Value, json};

use crate::ops_seed::{client, name, run};
use crate::support::*;

async fn payload(inspector: &Inspector, id: &JobId) -> Value {
    let located = inspector.locate(id, None).await.unwrap();
    serde_json::from_str(inspector.job(&located).await.unwrap().payload.unwrap().get()).unwrap()
}

#[test]
fn every_request_becomes_the_payload_of_its_queue() {
    let redis = TestRedis::start();
    let client = client(&redis);
    let (service, inspector) = (QueueService::new(&client), client.inspector());
    run(async {
        let context = json!({"firstName": "John", "investorId": 12345});
        let mail = service.send_email("investor@example.com", "Welcome to iREVA", "welcome-email", &context).await;
        let expected = json!({"to": ["investor@example.com"], "subject": "Welcome to iREVA", "template": "welcome-email", "context": context});
        assert_eq!(payload(&inspector, &mail.unwrap()).await, expected);

        let mut distribution = Distribution::new(202_401, "2024-01-31".parse().unwrap()).initiated_by("finance");
        distribution.override_rates.insert(456.into(), Override::Percent("2.5".into()));
        let distribution = distribution.method(CalculationMethod::TimeWeighted);
        let paid = service.schedule_roi_distribution(123, "25000.50", distribution).await.unwrap();
        let expected = json!({
            "propertyId": "123", "totalAmount": "25000.50", "periodId": "202401", "distributionDate": "2024-01-31",
            "calculationMethod": "time-weighted", "initiatedBy": "finance", "overrideRates": {"456": "2.5%"},
        });
        assert_eq!(payload(&inspector, &paid).await, expected);

        let parameters = ReportParameters {
            user_id: Some(456.into()),
            start_date: Some("2024-01-01".parse().unwrap()),
            end_date: Some("2024-01-31".parse().unwrap()),
            include_charts: true,
            ..ReportParameters::default()
        };
        let told = Report::notify("investor@example.com");
        let report = service.generate_report(ReportType::InvestorStatement, ReportFormat::Pdf, parameters, told);
        let expected = json!({
            "reportType": "investor-statement", "format": "pdf", "notifyOnComplete": true, "email": "investor@example.com",
            "parameters": {"userId": "456", "startDate": "2024-01-01", "endDate": "2024-01-31", "includeCharts": true},
        });
        assert_eq!(payload(&inspector, &report.await.unwrap()).await, expected);

        let recipient = Recipient { phone: Some("+2348012345678".into()), ..Recipient::investor(456) };
        let ready = Notification::new("Your statement is ready", "It can be downloaded.").priority(Priority::High);
        let told = service.send_notification(&[Channel::Sms, Channel::InApp], &recipient, ready).await.unwrap();
        let expected = json!({
            "channels": ["sms", "in-app"], "recipient": {"investorId": "456", "phone": "+2348012345678"},
            "title": "Your statement is ready", "body": "It can be downloaded.", "priority": "high",
        });
        assert_eq!(payload(&inspector, &told).await, expected);

        let import = Import { mode: ImportMode::Upsert, ..Import::default() };
        let import = service.import_data("investors.csv", Target::Investors, import).await.unwrap();
        let expected = json!({"source": "investors.csv", "target": "investors", "mode": "upsert", "onError": "reject"});
        assert_eq!(payload(&inspector, &import).await, expected);

        let mut export = Export { columns: vec!["id".into(), "amount".into()], ..Export::default() };
        export.filters.insert("propertyId".into(), FilterValue::Is("123".into()));
        let export = service.export_data("transactions", TableFormat::Csv, export).await.unwrap();
        let expected = json!({
            "source": "transactions", "format": "csv", "columns": ["id", "amount"], "filters": {"propertyId": "123"},
        });
        assert_eq!(payload(&inspector, &export).await, expected);
    });
}

#[test]
fn options_are_those_of_the_job_and_the_same_id_adds_nothing() {
    let redis = TestRedis::start();
    let client = client(&redis);
    let (service, inspector) = (QueueService::new(&client), client.inspector());
    run(async {
        let mail = || service.send_email(["a@example.com", "b@example.com"], "Later", "alert", &json!({}));
        let chosen = JobId::new("later-1").unwrap();
        let mail = || mail().id(chosen.clone()).delay(Duration::from_secs(3_600)).priority(Priority::High).attempts(2);
        assert_eq!(mail().await.unwrap(), chosen);
        assert!(mail().enqueue().await.unwrap().duplicate);
        let located = inspector.locate(&chosen, None).await.unwrap();
        let job = inspector.job(&located).await.unwrap();
        assert_eq!(
            (job.summary.state, job.summary.priority, job.max_attempts),
            (JobState::Scheduled, Priority::High, Some(2))
        );

        let queue = name("email");
        let stats = service.queue_statistics(Some(&queue)).await.unwrap();
        assert_eq!((stats.len(), stats[0].scheduled), (1, 1));
        assert_eq!(service.queue_statistics(None).await.unwrap().len(), 1);
        assert_eq!(service.clear_queue(&queue).await.unwrap().changed, 1);
        assert_eq!(service.clear_queue(&name("none")).await.unwrap_err().kind(), ErrorKind::NotFound);
    });
}

#[test]
fn what_the_processor_would_refuse_is_not_enqueued() {
    let redis = TestRedis::start();
    let client = client(&redis);
    let service = QueueService::new(&client);
    run(async {
        let to: Recipients = "nobody".into();
        let refused = service.send_email(to, "", "alert", &json!([])).await.unwrap_err();
        let fields: Vec<_> = refused.fields().iter().map(|problem| problem.field.as_str()).collect();
        assert_eq!((refused.kind(), fields), (ErrorKind::Invalid, vec!["to", "subject", "context"]));
        let nothing = service.schedule_roi_distribution(1, 0, Distribution::new(1, "2024-01-31".parse().unwrap()));
        assert!(nothing.await.unwrap_err().to_string().contains("totalAmount must be more than 0"));

        let good = NewJob::new(&json!({"to": "a@example.com", "subject": "s", "template": "alert"})).unwrap();
        let answers = service.submit_many(&name("email"), vec![NewJob::new(&1).unwrap(), good]).await.unwrap();
        assert_eq!(answers[0].as_ref().unwrap_err().kind(), ErrorKind::Invalid);
        assert!(answers[1].as_ref().is_ok_and(|enqueued| !enqueued.duplicate));
        assert_eq!(client.queue(name("email")).stats().await.unwrap().pending, 1);
    });
}
