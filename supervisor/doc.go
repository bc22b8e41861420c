// Package supervisor decides what happens to a running nginx and when. It is
// the policy of nginx-hotswap; the packages below it only observe and act:
// nginx (processes and files), systemd (the unit's view), bus (how others ask).
//
// # One instance, one goroutine
//
// A [Supervisor] owns one instance, which is one nginx master at a time. The
// goroutine in [Supervisor.Run] does everything; pokes and requests reach it
// over channels. A poke means "look again": the running master is compared with
// the file that USR2 would execute, and nothing else is believed. So a lost
// event, a doubled one, a timer and a start after a crash all take the same
// way.
//
// # The procedure
//
// A cycle is the upgrade of https://nginx.org/en/docs/control.html#upgrade, as
// a table of phases (tables.go). Of each row the condition is looked at before
// anything is done, so carrying on after a crash is the same code as the first
// run. The process table is the truth, the [Record] is the intent.
//
//	verifying   pre-flight: owner, ELF, version, pid files, nginx -t
//	keeping     the running build goes into the vault
//	starting    USR2: both generations accept
//	shifting    WINCH: only the successor accepts
//	soaking     does it go on serving?
//	draining    the old workers finish, the old master is kept, frozen
//	retiring    QUIT: the point of no return; systemd follows
//
// From starting to draining any bad sign leads to the way back:
//
//	reviving    HUP: the old master starts its workers from memory
//	returning   systemd follows the old master again
//	dismissing  QUIT: the successor finishes and goes
//	restoring   the kept binary takes the place of a condemned one
//
// If a row of the way back fails, both masters are left as they are and the
// result is "stuck": the last master that serves is never killed.
//
// # When the supervisor dies
//
// The record is on disk before each act. The next supervisor goes by the phase
// in it and by the processes that it names (pid and start time, within one
// boot):
//
//	killed in   before the act      after the act       after the condition
//	verifying   begins anew         begins anew         begins anew
//	keeping     begins anew         begins anew         begins anew
//	starting    begins anew         waits on            goes on
//	shifting    sends WINCH         waits on            goes on
//	soaking     soaks anew          soaks anew          soaks anew
//	draining    waits on            waits on            goes on
//	retiring    sends QUIT          closes the record   closes the record
//	reviving    sends HUP           waits on            goes on
//	returning   sends MAINPID=      waits on            goes on
//	dismissing  sends QUIT          waits on            goes on
//	restoring   exchanges           looks again         closes the record
//
// HUP to old is the one signal that may not be repeated. Before it is sent again,
// old must have nothing left to do and no worker that was started since.
//
// # What is never done
//
// nginx is never restarted. No process is signalled that was not identified by
// pid and start time. No file is executed that another user could have
// written. A build that crashed is not tried again by itself.
package supervisor
