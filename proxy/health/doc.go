// Package health says which members are worth sending to: active checks ask them, passive checks watch what the traffic sees, and
// a Board holds the verdicts of both by instance ID, so that they outlive snapshots, pools and configurations.
//
// Verdicts are proposals. Whether a member goes down is decided by pool.Build, which keeps an ejection from taking a group's last
// member or more than half of it.
package health
