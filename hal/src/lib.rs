//! Device traits, Linux drivers, fakes, replay and the scene renderer.
