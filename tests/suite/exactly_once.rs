//! Exactly once, while the server is killed at random: nothing is lost, nothing happens twice, nothing by halves.

use std::cell::Cell;
use std::collections::BTreeSet;

use blackbox::{Answer, Http, Server, list};
use bytes::Bytes;
use hyper::Method;
use serde_json::{Value, json};
use tokio::sync::Notify;

const KILLS: usize = 50;

/// Random numbers from a seed (xorshift64*).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % sides
    }
}

/// A client that says when it has sent so many requests.
struct Fused {
    http: Http,
    left: Cell<usize>,
    burnt: Notify,
}

/// The server is gone.
struct Cut;

impl Fused {
    fn new(http: Http, requests: usize) -> Fused {
        Fused { http, left: Cell::new(requests), burnt: Notify::new() }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        transaction: Option<&str>,
        body: Value,
    ) -> Result<Answer, Cut> {
        match self.left.get() {
            0 => self.burnt.notify_one(),
            left => self.left.set(left - 1),
        }
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(transaction.map(|id| ("sluice-transaction", id)));
        let body = if body.is_null() { Bytes::new() } else { body.to_string().into() };
        self.http.try_send(method, path, &headers, body).await.map_err(|_| Cut)
    }

    async fn post(&self, path: &str, transaction: Option<&str>, body: Value) -> Result<Value, Cut> {
        Ok(self.send(Method::POST, path, transaction, body).await?.expect(200))
    }

    async fn begin(&self, name: &str) -> Result<String, Cut> {
        let body = json!({"transactional_id": name, "timeout_ms": 600000});
        let begun = self.send(Method::POST, "/v1/transactions", None, body).await?.expect(201);
        Ok(begun["id"].as_str().expect("an id").to_owned())
    }

    async fn commit(&self, transaction: &str) -> Result<(), Cut> {
        self.post(&format!("/v1/transactions/{transaction}/commit"), None, Value::Null).await.map(drop)
    }

    async fn publish(&self, transaction: &str, topic: &str, messages: Vec<Value>) -> Result<(), Cut> {
        let body = json!({ "messages": messages });
        self.post(&format!("/v1/topics/{topic}/messages"), Some(transaction), body).await.map(drop)
    }
}

/// Runs `work` again and again while the server is killed in the middle of its requests; after every kill `check` looks
/// at what is there. Ends when the work was once done undisturbed.
async fn survive(
    server: &mut Server,
    seed: u64,
    work: impl AsyncFn(&Fused, &mut Dice) -> Result<(), Cut>,
    check: impl AsyncFn(&Http),
) {
    let mut dice = Dice(seed);
    let mut kills = 0;
    loop {
        let requests = if kills < KILLS { dice.roll(25) } else { usize::MAX };
        let pause = dice.roll(300);
        let fused = Fused::new(server.http(), requests);
        let cut = async {
            fused.burnt.notified().await;
            for _ in 0..pause {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            biased;
            () = cut => {}
            done = work(&fused, &mut dice) => match done {
                Ok(()) if kills >= KILLS => break,
                // There was too little to do for all the kills: this one comes when nothing is going on.
                Ok(()) => {}
                Err(Cut) => panic!("the server went away by itself"),
            },
        }
        drop(fused);
        kills += 1;
        server.crash();
        check(&server.http()).await;
    }
    check(&server.http()).await;
}

/// Every committed value of a log.
async fn committed(http: &Http, log: &str, partitions: u32) -> Vec<Value> {
    let mut all = Vec::new();
    for partition in 0..partitions {
        let mut offset = 0;
        loop {
            let page = http.records(log, partition, &format!("offset={offset}&limit=10000")).await;
            let next = page["next_offset"].as_i64().expect("an offset");
            all.extend(list(&page, "records").iter().map(|record| record["value"].clone()));
            if next == offset {
                break;
            }
            offset = next;
        }
    }
    all
}

fn transfer_of(entry: &Value) -> u64 {
    entry["transfer"].as_u64().expect("a number")
}

/// The books are right: every transfer was booked once on either side or not at all, and nothing came or went.
async fn check_books(http: &Http) -> usize {
    let debits = committed(http, "debits", 2).await;
    let credits = committed(http, "credits", 3).await;
    let sides = [&debits, &credits].map(|side| side.iter().map(transfer_of).collect::<BTreeSet<_>>());
    assert_eq!(sides[0].len(), debits.len(), "a debit was booked twice");
    assert_eq!(sides[1].len(), credits.len(), "a credit was booked twice");
    assert_eq!(sides[0], sides[1], "a transfer was booked on one side only");
    let sum: i64 = debits.iter().chain(&credits).map(|entry| entry["amount"].as_i64().expect("money")).sum();
    assert_eq!(sum, 0);
    debits.len()
}

#[tokio::test]
async fn bank_transfers_are_booked_exactly_once_through_fifty_kills() {
    const TRANSFERS: u64 = 800;
    let mut server = Server::start();
    let http = server.http();
    http.make_log("transfers", 1).await;
    http.make_log("debits", 2).await;
    http.make_log("credits", 3).await;
    let mut dice = Dice(20_261_125);
    let orders: Vec<Value> = (0..TRANSFERS)
        .map(|transfer| {
            json!({"value": {"transfer": transfer, "from": dice.roll(20), "to": dice.roll(20),
                "amount": 1 + dice.roll(1000)}})
        })
        .collect();
    http.publish("transfers", json!(orders)).await;
    let work = async |bank: &Fused, dice: &mut Dice| loop {
        // Beginning under the name aborts what the worker before left open, so what is committed now is the truth.
        let id = bank.begin("bank").await?;
        let group = bank.send(Method::GET, "/v1/groups/bank", None, Value::Null).await?;
        let start = if group.status == 404 {
            0
        } else {
            group.expect(200)["offsets"][0]["committed"].as_i64().unwrap_or(0)
        };
        let limit = 1 + dice.roll(8);
        let path = format!("/v1/topics/transfers/partitions/0/records?offset={start}&limit={limit}");
        let page = bank.send(Method::GET, &path, None, Value::Null).await?.expect(200);
        let orders = list(&page, "records");
        if orders.is_empty() {
            return Ok(());
        }
        let entry = |order: &Value, account: &str, sign: i64| {
            let order = &order["value"];
            let amount = sign * order["amount"].as_i64().expect("money");
            json!({"key": order[account].to_string(), "value": {"transfer": order["transfer"], "amount": amount}})
        };
        bank.publish(&id, "debits", orders.iter().map(|order| entry(order, "from", -1)).collect()).await?;
        bank.publish(&id, "credits", orders.iter().map(|order| entry(order, "to", 1)).collect()).await?;
        let offsets = json!({"group": "bank", "offsets": [
            {"topic": "transfers", "partition": 0, "offset": page["next_offset"]}]});
        bank.post(&format!("/v1/transactions/{id}/offsets"), None, offsets).await?;
        bank.commit(&id).await?;
    };
    survive(&mut server, 1, work, async |http: &Http| {
        check_books(http).await;
    })
    .await;
    let http = server.http();
    assert_eq!(check_books(&http).await as u64, TRANSFERS);
    let group = http.get("/v1/groups/bank").await.expect(200);
    assert_eq!(group["offsets"][0]["committed"], TRANSFERS);
}

#[tokio::test]
async fn what_moves_from_a_queue_to_a_log_and_a_queue_moves_exactly_once_through_fifty_kills() {
    const ORDERS: u64 = 400;
    let mut server = Server::start();
    let http = server.http();
    http.make_queue("orders", json!({"lease_ms": 600000})).await;
    http.make_queue("shipments", json!({})).await;
    http.make_log("ledger", 2).await;
    http.publish_values("orders", 0..ORDERS).await;
    let work = async |mover: &Fused, dice: &mut Dice| loop {
        let ask = json!({"max": 1 + dice.roll(4), "wait_ms": 0});
        let got = mover.post("/v1/topics/orders/receive", None, ask).await?;
        let orders = list(&got, "messages");
        if orders.is_empty() {
            return Ok(());
        }
        // Under a name, so that what a kill left open is aborted and holds back no reader.
        let id = mover.begin("mover").await?;
        let messages = |key: bool| {
            orders.iter().map(move |order| match key {
                true => json!({"key": order["value"].to_string(), "value": order["value"]}),
                false => json!({"value": order["value"]}),
            })
        };
        mover.publish(&id, "ledger", messages(true).collect()).await?;
        mover.publish(&id, "shipments", messages(false).collect()).await?;
        let leases: Vec<&Value> = orders.iter().map(|order| &order["lease"]).collect();
        mover.post("/v1/settle", Some(&id), json!({ "ack": leases })).await?;
        mover.commit(&id).await?;
    };
    let check = async |http: &Http| {
        let booked = committed(http, "ledger", 2).await;
        let distinct: BTreeSet<_> = booked.iter().map(Value::to_string).collect();
        assert_eq!(distinct.len(), booked.len(), "an order was booked twice");
        let [left, shipped] = ["orders", "shipments"].map(|queue| async move {
            let stats = http.queue_stats(queue).await;
            stats["ready"].as_u64().expect("a number") + stats["leased"].as_u64().expect("a number")
        });
        let (left, shipped) = (left.await, shipped.await);
        assert_eq!(shipped, booked.len() as u64, "shipped and booked differ");
        assert_eq!(left + shipped, ORDERS, "orders were lost or doubled");
    };
    survive(&mut server, 2, work, check).await;
    let http = server.http();
    let shipped: BTreeSet<_> =
        http.drain_queue("shipments").await.iter().map(|message| message["value"].to_string()).collect();
    assert_eq!(shipped.len() as u64, ORDERS);
    assert_eq!(http.queue_stats("orders").await["ready"], 0);
}
