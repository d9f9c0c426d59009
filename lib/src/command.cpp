// SPDX-License-Identifier: MIT
//
// From a command to what a new process needs of it.
#include <ipcshim/command.hpp>

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <system_error>

#include "prepared_command.hpp"
#include "sentence.hpp"

namespace ipcshim::detail {

namespace {

constexpr std::string_view default_path = "/bin:/usr/bin";

[[noreturn]] void refuse(const std::string& subject) {
    throw std::system_error(code_of(EINVAL), sentence(attempt::spawn_program, EINVAL, subject));
}

bool has_zero(const std::string& text) {
    return text.find('\0') != std::string::npos;
}

bool any_has_zero(const std::vector<std::string>& texts) {
    return std::any_of(texts.begin(), texts.end(), has_zero);
}

// "NAME=" of "NAME=value", empty if there is no name.
std::string_view name_of(std::string_view variable) {
    const auto end = variable.find('=');
    return end == std::string_view::npos || end == 0 ? std::string_view()
                                                     : variable.substr(0, end + 1);
}

void set(std::vector<std::string>& environment, const std::string& variable) {
    const std::string_view name = name_of(variable);
    std::erase_if(environment, [=](const std::string& old) { return old.starts_with(name); });
    environment.push_back(variable);
}

std::vector<std::string> environment_of(const command& what, const char* const* inherited) {
    std::vector<std::string> result;
    if (what.environment) {
        result = *what.environment;
    } else {
        for (const char* const* each = inherited; each != nullptr && *each != nullptr; ++each) {
            result.emplace_back(*each);
        }
    }
    for (const std::string& variable : what.extra_environment) {
        set(result, variable);
    }
    return result;
}

// Where a program may lie, in the order of looking.
std::vector<std::string> places_of(const std::string& program,
                                   const std::vector<std::string>& environment) {
    if (program.find('/') != std::string::npos) {
        return {program};
    }
    constexpr std::string_view name = "PATH=";
    const auto found =
        std::find_if(environment.begin(), environment.end(),
                     [=](const std::string& variable) { return variable.starts_with(name); });
    std::string_view rest =
        found == environment.end() ? default_path : std::string_view(*found).substr(name.size());
    std::vector<std::string> places;
    for (;;) {
        const auto end = rest.find(':');
        const std::string directory(rest.substr(0, end));
        // An empty one stands for the working directory.
        places.push_back((directory.empty() ? "." : directory) + "/" + program);
        if (end == std::string_view::npos) {
            return places;
        }
        rest.remove_prefix(end + 1);
    }
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
    std::vector<char*> pointers;
    pointers.reserve(texts.size() + 1);
    for (std::string& text : texts) {
        pointers.push_back(text.data());
    }
    pointers.push_back(nullptr);
    return pointers;
}

} // namespace

prepared_command::prepared_command(const command& what, const char* const* inherited)
    : program_(what.program), directory_(what.directory), arguments_(what.arguments) {
    if (program_.empty() && !arguments_.empty()) {
        program_ = arguments_.front();
    }
    const bool nameless =
        std::any_of(what.extra_environment.begin(), what.extra_environment.end(),
                    [](const std::string& variable) { return name_of(variable).empty(); });
    if (arguments_.empty() || program_.empty() || nameless || has_zero(program_) ||
        has_zero(directory_) || any_has_zero(arguments_) || any_has_zero(what.extra_environment) ||
        (what.environment && any_has_zero(*what.environment))) {
        refuse(program_.empty() ? "a command" : program_.substr(0, program_.find('\0')));
    }
    environment_ = environment_of(what, inherited);
    programs_ = places_of(program_, environment_);
    argument_pointers_ = pointers_to(arguments_);
    environment_pointers_ = pointers_to(environment_);
    for (const std::string& place : programs_) {
        program_pointers_.push_back(place.c_str());
    }
    program_pointers_.push_back(nullptr);
}

child_plan prepared_command::plan(int terminal) const noexcept {
    return {.terminal = terminal,
            .directory = directory_.empty() ? nullptr : directory_.c_str(),
            .programs = program_pointers_.data(),
            .arguments = argument_pointers_.data(),
            .environment = environment_pointers_.data()};
}

} // namespace ipcshim::detail
