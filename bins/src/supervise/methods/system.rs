//! `system.*`: what can be called, and many calls at once.

use super::params::Params;
use super::table::{self, Method};
use crate::supervise::rpc::{Call, Fault, FaultCode, Value};

/// `system.listMethods`: their names, sorted.
pub(crate) fn list_methods() -> Value {
    table::methods().iter().map(|method| Value::from(method.name)).collect::<Vec<Value>>().into()
}

/// `system.methodHelp`: what a method does, takes and gives.
///
/// # Errors
/// SIGNATURE_UNSUPPORTED: it is not known.
pub(crate) fn method_help(params: &Params<'_>) -> Result<Value, Fault> {
    let method = asked(params)?;
    let mut text = format!("{}\n", method.help);
    for param in method.params {
        text.push_str(&format!("\n@param {} {}", param.kind.type_name(), param.name));
    }
    text.push_str(&format!("\n@return {}", method.returns));
    Ok(text.into())
}

/// `system.methodSignature`: the type of the result, then those of the parameters.
///
/// # Errors
/// SIGNATURE_UNSUPPORTED: it is not known.
pub(crate) fn method_signature(params: &Params<'_>) -> Result<Value, Fault> {
    let method = asked(params)?;
    let types = method.params.iter().map(|param| param.kind.type_name());
    Ok(std::iter::once(method.returns).chain(types).map(Value::from).collect::<Vec<Value>>().into())
}

fn asked(params: &Params<'_>) -> Result<&'static Method, Fault> {
    let name = params.text(0).ok();
    name.and_then(|name| table::find(&name)).ok_or_else(|| FaultCode::SignatureUnsupported.bare())
}

/// The calls of a `system.multicall`, to be made one after the other; a fault in the place of each that
/// cannot be made. Whether there is such a method is not looked at yet.
///
/// # Errors
/// The parameter is no list.
pub(crate) fn multicall(params: &[Value]) -> Result<Vec<Result<Call, Fault>>, Fault> {
    match params {
        [Value::Array(calls)] => Ok(calls.iter().map(one).collect()),
        [Value::Text(text)] if text.is_empty() => Ok(Vec::new()),
        _ => Err(FaultCode::IncorrectParameters.bare()),
    }
}

fn one(call: &Value) -> Result<Call, Fault> {
    let method = match call.member("methodName") {
        None | Some(Value::Nil) => Err("No methodName"),
        Some(Value::Text(name)) if name == "system.multicall" => {
            Err("Recursive system.multicall forbidden")
        }
        Some(Value::Text(name)) => Ok(name.clone()),
        Some(_) => Err("methodName must be a string"),
    };
    let method = method.map_err(|why| FaultCode::IncorrectParameters.with(why))?;
    let params = match call.member("params") {
        None => Vec::new(),
        Some(Value::Array(params)) => params.clone(),
        Some(Value::Text(text)) if text.is_empty() => Vec::new(),
        Some(Value::Struct(members)) if members.is_empty() => Vec::new(),
        // An unknown method is found first.
        Some(_) if table::find(&method).is_none() => return Err(FaultCode::UnknownMethod.bare()),
        Some(_) => return Err(FaultCode::IncorrectParameters.bare()),
    };
    Ok(Call { method, params })
}

/// The answer to a `system.multicall`: results as they are, not each in an array of its own as others
/// have it, since supervisord does not either.
pub(crate) fn multicall_answer(results: Vec<Result<Value, Fault>>) -> Value {
    Value::Array(results.into_iter().map(|result| result.unwrap_or_else(fault_struct)).collect())
}

/// A fault as a value.
pub(crate) fn fault_struct(fault: Fault) -> Value {
    Value::of_members([("faultCode", fault.code.into()), ("faultString", fault.text.into())])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What supervisord 4.2.5 answers to `system.methodSignature` for each of its `system.listMethods`.
    const SIGNATURES: &str = "
supervisor.addProcessGroup boolean string
supervisor.clearAllProcessLogs array
supervisor.clearLog boolean
supervisor.clearProcessLog boolean string
supervisor.clearProcessLogs boolean string
supervisor.getAPIVersion string
supervisor.getAllConfigInfo array
supervisor.getAllProcessInfo array
supervisor.getIdentification string
supervisor.getPID int
supervisor.getProcessInfo struct string
supervisor.getState struct
supervisor.getSupervisorVersion string
supervisor.getVersion string
supervisor.readLog string int int
supervisor.readMainLog string int int
supervisor.readProcessLog string string int int
supervisor.readProcessStderrLog string string int int
supervisor.readProcessStdoutLog string string int int
supervisor.reloadConfig array
supervisor.removeProcessGroup boolean string
supervisor.restart boolean
supervisor.sendProcessStdin boolean string string
supervisor.sendRemoteCommEvent boolean string string
supervisor.shutdown boolean
supervisor.signalAllProcesses array string
supervisor.signalProcess boolean string string
supervisor.signalProcessGroup array string string
supervisor.startAllProcesses array boolean
supervisor.startProcess boolean string boolean
supervisor.startProcessGroup array string boolean
supervisor.stopAllProcesses array boolean
supervisor.stopProcess boolean string boolean
supervisor.stopProcessGroup array string boolean
supervisor.tailProcessLog array string int int
supervisor.tailProcessStderrLog array string int int
supervisor.tailProcessStdoutLog array string int int
system.listMethods array
system.methodHelp string string
system.methodSignature array string
system.multicall array array
";

    fn ask(
        what: fn(&Params<'_>) -> Result<Value, Fault>,
        method: &str,
        name: impl Into<Value>,
    ) -> Result<Value, Fault> {
        what(&Params::new(table::find(method).unwrap(), &[name.into()]))
    }

    fn words(value: &Value) -> Vec<&str> {
        value.as_array().unwrap().iter().map(|word| word.as_text().unwrap()).collect()
    }

    #[test]
    fn signatures() {
        let listed = list_methods();
        let theirs: Vec<&str> =
            words(&listed).into_iter().filter(|name| !name.starts_with("supervise.")).collect();
        let expected: Vec<&str> =
            SIGNATURES.split_whitespace().filter(|word| word.contains('.')).collect();
        assert_eq!(theirs, expected);
        for line in SIGNATURES.lines().filter(|line| !line.is_empty()) {
            let (name, signature) = line.split_once(' ').unwrap();
            let answer = ask(method_signature, "system.methodSignature", name).unwrap();
            assert_eq!(words(&answer).join(" "), signature, "{name}");
        }
    }

    #[test]
    fn help() {
        let help = ask(method_help, "system.methodHelp", "supervisor.signalProcess").unwrap();
        assert_eq!(
            help.as_text().unwrap(),
            "Sends a signal, by name or number, to a process.\n\n@param string name\n@param string signal\n@return boolean"
        );
        let unknown = FaultCode::SignatureUnsupported.bare();
        for name in [
            Value::from("nope"),
            Value::Int(7),
            Value::Array(Vec::new()),
            "supervisor._update".into(),
        ] {
            assert_eq!(ask(method_help, "system.methodHelp", name.clone()).unwrap_err(), unknown);
            assert_eq!(ask(method_signature, "system.methodSignature", name).unwrap_err(), unknown);
        }
    }

    fn call<const N: usize>(members: [(&str, Value); N]) -> Value {
        Value::of_members(members)
    }

    #[test]
    fn many_calls() {
        let pid = |params: Vec<Value>| Ok(Call { method: "supervisor.getPID".to_owned(), params });
        let wrong = |what: &str| Err(FaultCode::IncorrectParameters.with(what));
        let bare = Err(FaultCode::IncorrectParameters.bare());
        let name = || ("methodName", Value::from("supervisor.getPID"));
        let unknown = || ("methodName", Value::from("nope"));
        let given = vec![
            (call([name(), ("params", Vec::new().into())]), pid(Vec::new())),
            (call([name()]), pid(Vec::new())),
            (call([name(), ("extra", Value::Int(1))]), pid(Vec::new())),
            (call([name(), ("params", "".into())]), pid(Vec::new())),
            (call([name(), ("params", call([]))]), pid(Vec::new())),
            (call([name(), ("params", vec![Value::Int(1)].into())]), pid(vec![Value::Int(1)])),
            (call([unknown(), name()]), pid(Vec::new())),
            (call([name(), ("params", Value::Int(7))]), bare.clone()),
            (call([name(), ("params", Value::Nil)]), bare),
            (call([unknown(), ("params", Value::Int(7))]), Err(FaultCode::UnknownMethod.bare())),
            (
                call([("methodName", "system.multicall".into())]),
                wrong("Recursive system.multicall forbidden"),
            ),
            (call([("params", Vec::new().into())]), wrong("No methodName")),
            (call([("methodName", Value::Nil)]), wrong("No methodName")),
            (call([("methodName", Value::Int(7))]), wrong("methodName must be a string")),
            (Value::Int(7), wrong("No methodName")),
        ];
        let (calls, expected): (Vec<Value>, Vec<Result<Call, Fault>>) = given.into_iter().unzip();
        assert_eq!(multicall(&[calls.into()]), Ok(expected));
    }

    #[test]
    fn no_list_of_calls() {
        assert_eq!(multicall(&["".into()]), Ok(Vec::new()));
        assert_eq!(multicall(&[Vec::new().into()]), Ok(Vec::new()));
        for value in [Value::Int(7), Value::Nil, Value::from("abc"), call([])] {
            assert_eq!(multicall(&[value]), Err(FaultCode::IncorrectParameters.bare()));
        }
        assert!(multicall(&[]).is_err());
    }

    #[test]
    fn results_stand_alone() {
        let answer =
            multicall_answer(vec![Ok(Value::Int(20611)), Err(FaultCode::BadName.with("nope"))]);
        let results = answer.as_array().unwrap();
        assert_eq!(results[0], Value::Int(20611));
        assert_eq!(results[1].member("faultCode"), Some(&Value::Int(10)));
        assert_eq!(results[1].member("faultString"), Some(&Value::from("BAD_NAME: nope")));
    }
}
